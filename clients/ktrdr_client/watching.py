"""Follow operations through broken streams, restarts of the service, and compacted history."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from ktrdr.operations.v1.operations_pb2 import WatchOperationsRequest, WatchOperationsResponse

from ktrdr_client.backoff import PASSING, Backoff, Interruption
from ktrdr_client.calls import Endpoint, open_stream
from ktrdr_client.errors import OutOfRange, Unavailable
from ktrdr_client.new_points import NewPoints
from ktrdr_client.states import is_final
from ktrdr_client.watch_events import OperationChanged, OperationDeleted, OperationLeft, PointsAdded, WatchEvent

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

HEARTBEAT: Final = timedelta(seconds=5)
"""How often the service says that nothing happened."""
SILENCE_LIMIT_SECONDS: Final = 20.0
"""A stream that says nothing for this long is dead, whatever TCP believes."""


@dataclass
class Watch:
    """One subscription to changes, which goes on by revision whatever happens to its stream.

    A service that was never reached is an error; one that goes away later is waited for.

    Args:
        stub: The operations service.
        endpoint: The same, for messages.
        after_revision: Only changes after this one; 0 begins with everything as it is.
        filter_text: Only operations that match.
        operation_ids: Only these; empty for all.
        on_interruption: Told about each lost stream.
        backoff: Pauses between tries.
        include_metrics: Points of metrics too.
        series: Only points of these series; empty for all.
        known: Ids of the operations that the reader has: only those can leave or be deleted. None if the reader is told
            of changes alone; nothing is remembered of them then.
    """

    stub: "OperationsServiceAsyncStub"
    endpoint: Endpoint
    after_revision: int = 0
    filter_text: str = ""
    operation_ids: Sequence[str] = ()
    on_interruption: Interruption | None = None
    backoff: Backoff = field(default_factory=Backoff)
    include_metrics: bool = False
    series: Sequence[str] = ()
    known: set[str] | None = None
    _connected_once: bool = False
    _told_again: set[str] | None = None
    """Ids that came since everything began to be read; None while it is not."""
    _points: NewPoints = field(default_factory=NewPoints)

    def __post_init__(self) -> None:
        """Look for what is gone, where everything is read: of what was deleted before, nothing is told."""
        if self.known and not self.after_revision:
            self._told_again = set()

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happens, message by message; never the same revision of an operation, nor the same point, twice.

        Raises:
            KtrdrError: The watch was refused (a bad filter, say), or the service was never reached.
        """
        while True:
            try:
                async with aclosing(self._one_stream()) as events:
                    async for event in events:
                        yield event
            except OutOfRange:
                self.after_revision, self._told_again = 0, set()
            except PASSING as error:
                if not self._connected_once and isinstance(error, Unavailable):
                    raise
                await self.backoff.pause(error, self.on_interruption)
            else:
                ended = Unavailable(f"the {self.endpoint.service} ended the stream")
                await self.backoff.pause(ended, self.on_interruption)

    async def _one_stream(self) -> AsyncGenerator[WatchEvent, None]:
        async with open_stream(self.stub.WatchOperations, self._request(), endpoint=self.endpoint) as messages:
            while (message := await self._next(messages)) is not None:
                self._connected_once = True
                self.backoff.reset()
                for event in self._told(message):
                    yield event
                self.after_revision = max(self.after_revision, message.revision)

    def _told(self, message: WatchOperationsResponse) -> Iterator[WatchEvent]:
        changed = [operation for operation in message.operations if operation.revision > self.after_revision]
        for operation in changed:
            self._remember(operation.id)
        yield from (OperationChanged(operation) for operation in changed if not is_final(operation))
        for points in message.metrics:
            if fresh := self._points.of(points):
                yield PointsAdded(points.operation_id, points.attempt, points.incarnation, fresh)
        # Behind its last points: who follows an operation to its end has all of them then.
        yield from (OperationChanged(operation) for operation in changed if is_final(operation))
        yield from self._gone(message)
        if message.bookmark and self._told_again is not None:
            yield from self._gone_meanwhile(self._told_again)
            self._told_again = None

    def _gone(self, message: WatchOperationsResponse) -> Iterator[WatchEvent]:
        for left in message.left_filter:
            if self._forget(left.operation_id):
                yield OperationLeft(left.operation_id, left.revision)
        for deleted in message.deleted:
            self._points.forget(deleted.operation_id)
            if self._forget(deleted.operation_id):
                yield OperationDeleted(deleted.operation_id, deleted.revision)

    def _gone_meanwhile(self, still_there: set[str]) -> Iterator[WatchEvent]:
        """Yield what is missing after everything was read: without a filter it can only have been deleted."""
        for operation_id in sorted((self.known or set()) - still_there):
            self._forget(operation_id)
            yield OperationLeft(operation_id, 0) if self.filter_text else OperationDeleted(operation_id, 0)

    def _remember(self, operation_id: str) -> None:
        if self.known is not None:
            self.known.add(operation_id)
            if self._told_again is not None:
                self._told_again.add(operation_id)

    def _forget(self, operation_id: str) -> bool:
        """Forget an operation; return whether the reader has it."""
        if self.known is None or operation_id not in self.known:
            return False
        self.known.discard(operation_id)
        if self._told_again is not None:
            self._told_again.discard(operation_id)
        return True

    def _request(self) -> WatchOperationsRequest:
        heartbeat = Duration()
        heartbeat.FromTimedelta(HEARTBEAT)
        return WatchOperationsRequest(
            after_revision=self.after_revision,
            filter=self.filter_text,
            operation_ids=self.operation_ids,
            heartbeat=heartbeat,
            include_metrics=self.include_metrics,
            series=self.series,
        )

    async def _next(self, messages: AsyncIterator[WatchOperationsResponse]) -> WatchOperationsResponse | None:
        """Return the next message; None when the service has ended the stream in good order."""
        try:
            async with asyncio.timeout(SILENCE_LIMIT_SECONDS):
                return await anext(messages, None)
        except TimeoutError:
            message = f"the {self.endpoint.service} at {self.endpoint.address} has gone silent"
            raise Unavailable(message) from None
