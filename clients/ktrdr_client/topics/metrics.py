"""Calls that read metrics."""

from collections.abc import Mapping, Sequence

from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.metrics import Metrics, gather
from ktrdr_client.topics.connection import Connection


class MetricCalls(Connection):
    """Reads the history of metrics, of one operation or of several."""

    async def metrics(
        self,
        operation_id: str,
        *,
        series: Sequence[str] = (),
        attempt: int = 0,
        max_points: int = 0,
        from_step: int | None = None,
        to_step: int | None = None,
    ) -> Metrics:
        """Return the history of an operation's metrics.

        Args:
            operation_id: Its complete id.
            series: Only these; empty for all.
            attempt: 0 for the latest.
            max_points: Most points of each series, chosen by the service so that extremes stay; 0 for all.
            from_step: Only points of this step and later ones.
            to_step: Only points of this step and earlier ones.

        Raises:
            NotFound: There is no such operation.
        """
        request = pb.QueryMetricsRequest(
            operation_id=operation_id,
            series=series,
            attempt=attempt,
            max_points=max_points,
            from_step=from_step,
            to_step=to_step,
        )
        pages, told_attempt = await self._pages(request)
        return gather(operation_id, told_attempt, pages)

    async def compare_metrics(
        self,
        operation_ids: Sequence[str],
        *,
        series: Sequence[str] = (),
        max_points: int = 0,
        from_step: int | None = None,
        to_step: int | None = None,
    ) -> Mapping[str, Metrics]:
        """Return the history of several operations' metrics, by id and in their order; of the latest attempt of each.

        Args:
            operation_ids: Their complete ids, up to 100.
            series: Only these; empty for all. Not every operation needs to have them.
            max_points: Most points of each series, chosen by the service so that extremes stay; 0 for all.
            from_step: Only points of this step and later ones.
            to_step: Only points of this step and earlier ones.

        Raises:
            NotFound: One of them does not exist.
            InvalidArgument: They are too many.
        """
        if not operation_ids:
            return {}
        request = pb.QueryMetricsRequest(
            operation_ids=list(dict.fromkeys(operation_ids)),
            series=series,
            max_points=max_points,
            from_step=from_step,
            to_step=to_step,
        )
        pages, _ = await self._pages(request)
        found: dict[str, list[pb.MetricHistory]] = {operation_id: [] for operation_id in operation_ids}
        for history in pages:
            found[history.operation_id].append(history)
        return {
            operation_id: gather(operation_id, histories[0].attempt if histories else 0, histories)
            for operation_id, histories in found.items()
        }

    async def _pages(self, request: pb.QueryMetricsRequest) -> tuple[list[pb.MetricHistory], int]:
        """Return all entries of a history, over all pages, and the attempt that the last answer named."""
        entries: list[pb.MetricHistory] = []
        while True:
            answer = await self._call(self._stub.QueryMetrics, request)
            entries.extend(answer.series)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                return entries, answer.attempt
