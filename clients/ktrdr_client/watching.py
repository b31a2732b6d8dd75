"""Follow operations through broken streams, restarts of the service, and compacted history."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from ktrdr.operations.v1.operations_pb2 import Operation, WatchOperationsRequest, WatchOperationsResponse

from ktrdr_client.backoff import Backoff
from ktrdr_client.calls import Endpoint, open_stream
from ktrdr_client.errors import DeadlineExceeded, KtrdrError, OutOfRange, ResourceExhausted, Unavailable

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

HEARTBEAT: Final = timedelta(seconds=5)
"""How often the service says that nothing happened."""
SILENCE_LIMIT_SECONDS: Final = 20.0
"""A stream that says nothing for this long is dead, whatever TCP believes."""

_PASSING: Final = (Unavailable, DeadlineExceeded, ResourceExhausted)

Interruption = Callable[[KtrdrError, float], None]
"""Told about each lost stream: the error, and the seconds until the next try."""


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
    """

    stub: "OperationsServiceAsyncStub"
    endpoint: Endpoint
    after_revision: int = 0
    filter_text: str = ""
    operation_ids: Sequence[str] = ()
    on_interruption: Interruption | None = None
    backoff: Backoff = field(default_factory=Backoff)
    _connected_once: bool = False

    async def operations(self) -> AsyncGenerator[Operation, None]:
        """Yield each operation as it changes, in revision order; never the same revision twice.

        Raises:
            KtrdrError: The watch was refused (a bad filter, say), or the service was never reached.
        """
        while True:
            try:
                async with aclosing(self._one_stream()) as changes:
                    async for operation in changes:
                        yield operation
            except OutOfRange:
                self.after_revision = 0
            except _PASSING as error:
                if not self._connected_once and isinstance(error, Unavailable):
                    raise
                await self._pause(error)
            else:
                await self._pause(Unavailable(f"the {self.endpoint.service} ended the stream"))

    async def _one_stream(self) -> AsyncGenerator[Operation, None]:
        async with open_stream(self.stub.WatchOperations, self._request(), endpoint=self.endpoint) as messages:
            while (message := await self._next(messages)) is not None:
                self._connected_once = True
                self.backoff.reset()
                for operation in message.operations:
                    if operation.revision > self.after_revision:
                        yield operation
                self.after_revision = max(self.after_revision, message.revision)

    def _request(self) -> WatchOperationsRequest:
        heartbeat = Duration()
        heartbeat.FromTimedelta(HEARTBEAT)
        return WatchOperationsRequest(
            after_revision=self.after_revision,
            filter=self.filter_text,
            operation_ids=self.operation_ids,
            heartbeat=heartbeat,
        )

    async def _next(self, messages: AsyncIterator[WatchOperationsResponse]) -> WatchOperationsResponse | None:
        """Return the next message; None when the service has ended the stream in good order."""
        try:
            async with asyncio.timeout(SILENCE_LIMIT_SECONDS):
                return await anext(messages, None)
        except TimeoutError:
            message = f"the {self.endpoint.service} at {self.endpoint.address} has gone silent"
            raise Unavailable(message) from None

    async def _pause(self, error: KtrdrError) -> None:
        pause_seconds = self.backoff.next_pause_seconds()
        if error.retry_after is not None:
            pause_seconds = max(pause_seconds, error.retry_after.total_seconds())
        if self.on_interruption is not None:
            self.on_interruption(error, pause_seconds)
        await asyncio.sleep(pause_seconds)
