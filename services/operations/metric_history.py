"""The history of an operation's metrics."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.operations.curves import Curve, Curves
from services.operations.page_tokens import decode_page_token, encode_page_token
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader

DEFAULT_POINTS: Final = 50_000
MOST_POINTS: Final = 200_000
_BLOCKS_AT_ONCE: Final = 200


@dataclass(frozen=True)
class MetricQuery:
    """Which points are asked for.

    Attributes:
        operation_id: Whose.
        series: Names; empty for all.
        attempt: Number, 0 for the latest.
        after_seq: Only points with a higher sequence number; -1 for all.
        max_points: Most points of each series, the rest is left out; 0 for all points.
        page_size: Most points in the answer, 0 for the default.
        page_token: Token of the page, empty for the first.
    """

    operation_id: str
    series: Collection[str] = ()
    attempt: int = 0
    after_seq: int = -1
    max_points: int = 0
    page_size: int = 0
    page_token: str = ""


class MetricHistories:
    """Reads histories.

    Args:
        registry: The operations.
        reader: Questions to the store.
    """

    def __init__(self, registry: Registry, reader: StoreReader) -> None:
        self._registry = registry
        self._reader = reader

    async def query(self, query: MetricQuery) -> pb.QueryMetricsResponse:
        """Return a page of points, or the whole history with points left out.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, INVALID_REQUEST or PAGE_TOKEN_INVALID.
        """
        operation = await self._registry.get(query.operation_id)
        attempt = query.attempt or operation.record.attempt
        _check(query, latest_attempt=operation.record.attempt)
        # Whoever has seen a point in the operation's record also finds it here.
        await self._registry.commits.settled()
        if query.max_points:
            return await self._downsampled(query, attempt)
        return await self._page(query, attempt)

    async def _page(self, query: MetricQuery, attempt: int) -> pb.QueryMetricsResponse:
        binding = repr(("metrics", query.operation_id, sorted(query.series), attempt, query.after_seq))
        ordinal, seq = 0, 0
        if query.page_token:
            ordinal, seq = (int(part) for part in decode_page_token(binding, query.page_token, (int, int)))
        room = min(query.page_size or DEFAULT_POINTS, MOST_POINTS)
        curves = Curves(query.series, query.after_seq, room, ordinal=ordinal, seq=seq)
        await self._fill(curves, query, attempt)
        series = [curve.history() for curve in curves.histories()]
        response = pb.QueryMetricsResponse(series=series, attempt=attempt)
        if curves.full:
            response.next_page_token = encode_page_token(binding, [curves.ordinal, curves.seq])
        return response

    async def _downsampled(self, query: MetricQuery, attempt: int) -> pb.QueryMetricsResponse:
        curves = Curves(query.series, query.after_seq, None, ordinal=0, seq=0)
        await self._fill(curves, query, attempt)
        series = await asyncio.to_thread(_downsampled, curves.histories(), query.max_points)
        return pb.QueryMetricsResponse(series=series, attempt=attempt)

    async def _fill(self, curves: Curves, query: MetricQuery, attempt: int) -> None:
        while not curves.full:
            blocks = await self._reader.blocks(
                query.operation_id,
                attempt,
                start=(curves.ordinal, curves.seq),
                above_seq=query.after_seq,
                limit=_BLOCKS_AT_ONCE,
            )
            for block in blocks:
                curves.add(block)
            if len(blocks) < _BLOCKS_AT_ONCE:
                return


def _downsampled(curves: list[Curve], most: int) -> list[pb.MetricHistory]:
    """Return the curves with at most `most` points a series; several journals share them by their length."""
    totals: dict[str, int] = {}
    for curve in curves:
        totals[curve.name] = totals.get(curve.name, 0) + len(curve.seqs)
    return [curve.history(max(1, most * len(curve.seqs) // totals[curve.name])) for curve in curves]


def _check(query: MetricQuery, *, latest_attempt: int) -> None:
    violations = []
    if query.page_size < 0:
        violations.append(FieldViolation("page_size", f"0 for {DEFAULT_POINTS}, or 1 to {MOST_POINTS}"))
    if query.max_points and (query.page_size or query.page_token):
        violations.append(FieldViolation("max_points", "not together with page_size or page_token"))
    if query.attempt > latest_attempt:
        violations.append(FieldViolation("attempt", f"0 for the latest, or 1 to {latest_attempt}"))
    if violations:
        detail = " ".join(f"{field}: {description}." for field, description in violations)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=violations, detail=detail)
