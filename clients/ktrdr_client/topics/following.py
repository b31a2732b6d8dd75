"""Calls that follow operations."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from datetime import timedelta

from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.backoff import Interruption
from ktrdr_client.errors import NotFound, WaitTimeout
from ktrdr_client.logs import LogEntry, LogReading, parse_level
from ktrdr_client.states import state_name
from ktrdr_client.topics.reading import ReadingCalls
from ktrdr_client.waiting import FinishedOperation, finished
from ktrdr_client.watch_events import OperationChanged, OperationDeleted, WatchEvent
from ktrdr_client.watching import Watch


class FollowingCalls(ReadingCalls):
    """Follows operations as they change, to their end, or by their log."""

    async def watch(
        self,
        operation_ids: Sequence[str] = (),
        *,
        filter_text: str = "",
        after_revision: int = 0,
        on_interruption: Interruption | None = None,
    ) -> AsyncGenerator[pb.Operation, None]:
        """Yield operations as they change, for ever; first each one as it is now.

        A stream that breaks is opened again where it stopped, by revision: nothing is left out but states in between
        that were already outdated, and nothing comes twice. Leaving an `async for` over it ends the stream; if you keep
        a reference to the generator, close it (`contextlib.aclosing`).

        Args:
            operation_ids: Only these; empty for all.
            filter_text: Only those that match.
            after_revision: Only changes after this one; the `revision` of an operation or of a list.
            on_interruption: Called with the error and the seconds to the next try when a stream is lost.

        Raises:
            InvalidArgument: The filter cannot be understood.
            Unavailable: The service did not answer from the start.
        """
        watch = Watch(self._stub, self._endpoint, after_revision, filter_text, operation_ids, on_interruption)
        async with aclosing(watch.events()) as events:
            async for event in events:
                if isinstance(event, OperationChanged):
                    yield event.operation

    async def watch_events(
        self,
        operation_ids: Sequence[str] = (),
        *,
        filter_text: str = "",
        after_revision: int = 0,
        known: Collection[str] = (),
        include_metrics: bool = False,
        series: Sequence[str] = (),
        on_interruption: Interruption | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield everything that happens to operations: changes, deletions, those that leave the filter, and points.

        As `watch`, and applied one after the other the events keep a copy that is always right: `OperationChanged`
        puts an operation into it, `OperationLeft` and `OperationDeleted` take one out, and each point of
        `PointsAdded` comes once. That holds too when the service has forgotten the revision that the stream stopped
        at, and everything is read anew.

        Args:
            operation_ids: Only these; empty for all.
            filter_text: Only those that match.
            after_revision: Only changes after this one; the `revision` of a list.
            known: Ids of the operations of that list: they can leave or be deleted.
            include_metrics: Points of metrics too.
            series: Only points of these series; empty for all.
            on_interruption: Called with the error and the seconds to the next try when a stream is lost.

        Raises:
            InvalidArgument: The filter cannot be understood.
            Unavailable: The service did not answer from the start.
        """
        watch = Watch(
            self._stub,
            self._endpoint,
            after_revision,
            filter_text,
            operation_ids,
            on_interruption,
            include_metrics=include_metrics,
            series=series,
            known=set(known),
        )
        async with aclosing(watch.events()) as events:
            async for event in events:
                yield event

    async def wait(self, operation_id: str, timeout: timedelta | float | None = None) -> FinishedOperation:  # noqa: ASYNC109 - the time to wait for the work, not for the call
        """Wait until an operation has ended.

        Args:
            operation_id: Its complete id.
            timeout: Longest time to wait, as a timedelta or in seconds; None waits for ever.

        Returns:
            The finished operation, whatever its end; `raise_for_error()` on it raises what went wrong.

        Raises:
            NotFound: There is no such operation, or it was deleted meanwhile.
            WaitTimeout: The time is over. The work goes on.
        """
        limit_seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        operation = await self.get(operation_id)
        try:
            stream = self.watch_events([operation_id], known=[operation_id])
            async with asyncio.timeout(limit_seconds), aclosing(stream) as events:
                if (end := finished(operation)) is not None:
                    return end
                async for event in events:
                    if isinstance(event, OperationDeleted):
                        message = f"operation {operation_id} was deleted while it was waited for"
                        raise NotFound(message, reason="OPERATION_NOT_FOUND")
                    if isinstance(event, OperationChanged):
                        operation = event.operation
                        if (end := finished(operation)) is not None:
                            return end
        except TimeoutError:
            message = (
                f"operation {operation_id} is still {state_name(operation)} after {limit_seconds:g} s; the work goes on"
            )
            raise WaitTimeout(message, metadata={"operation_id": operation_id}) from None
        raise AssertionError("a watch never ends by itself")

    async def read_log(
        self,
        operation_id: str,
        *,
        follow: bool = False,
        min_level: str = "",
        tail: int = 0,
        attempt: int = 0,
        on_interruption: Interruption | None = None,
    ) -> AsyncGenerator[LogEntry, None]:
        """Yield the log of an operation: what its work logged, and what was printed.

        A stream that breaks is opened again where it stopped, by offset: no line is left out and none comes twice.
        Leaving an `async for` over it ends the stream; if you keep a reference to the generator, close it
        (`contextlib.aclosing`).

        Args:
            operation_id: Its complete id.
            follow: Go on with new lines until the operation has ended; one that no host has yet is waited for.
            min_level: Only lines of this level or above: "debug", "info", "warning", "error" or "critical". Printed
                lines have no level, and always come.
            tail: Begin about this many lines before the end; 0 for the beginning of what is kept.
            attempt: 0 for the latest.
            on_interruption: Called with the error and the seconds to the next try when a stream is lost.

        Raises:
            NotFound: There is no such operation, or its host keeps its log no longer.
            FailedPrecondition: No host has it yet, and `follow` is not set.
            Unavailable: The service, or the operation's host, did not answer from the start.
            ValueError: `min_level` is no level.
        """
        request = pb.ReadLogRequest(
            operation_id=operation_id,
            attempt=attempt,
            follow=follow,
            min_level=parse_level(min_level),
            tail_lines=tail,
        )
        reading = LogReading(
            self._stub, self._endpoint, lambda: self.get(operation_id), request, on_interruption=on_interruption
        )
        async with aclosing(reading.entries()) as entries:
            async for entry in entries:
                yield entry
