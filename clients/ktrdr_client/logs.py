"""Read the log of an operation through broken streams, and restarts of the service and of the operation's host."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ktrdr.host.v1 import host_pb2
from ktrdr.operations.v1.operations_pb2 import Operation, ReadLogRequest, ReadLogResponse

from ktrdr_client.backoff import PASSING, Backoff, Interruption
from ktrdr_client.calls import Endpoint, open_stream
from ktrdr_client.errors import FailedPrecondition
from ktrdr_client.states import is_final

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
"""The levels of a log, the least first."""


@dataclass(frozen=True)
class LogEntry:
    """One line of a log."""

    text: str
    """Name of the event, or the printed line."""
    time: datetime | None = None
    """When it was written, UTC; None where that is not known, as for what native code prints."""
    level: str = ""
    """One of `LEVELS`; empty for printed lines."""
    printed: bool = False
    """The worker, or a library in it, printed it."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What belongs to the event, by name; values that are not texts as JSON."""
    after_gap: bool = False
    """Lines before it were removed to keep the log within its bound."""


def parse_level(text: str) -> "host_pb2.LogLevel.ValueType":
    """Return the level that a name means; unspecified for "".

    Raises:
        ValueError: It is no level.
    """
    if not text:
        return host_pb2.LOG_LEVEL_UNSPECIFIED
    if text.lower() not in LEVELS:
        message = f"{text!r} is no level; choose from {', '.join(LEVELS)}"
        raise ValueError(message)
    return host_pb2.LogLevel.Value(f"LOG_LEVEL_{text.upper()}")


@dataclass
class LogReading:
    """One reading of a log, which goes on by offset whatever happens to its stream.

    A service, or a host, that was never reached is an error; one that goes away later is waited for.

    Args:
        stub: The operations service.
        endpoint: The same, for messages.
        get: Returns the operation as it is.
        request: What to read; its offset moves on.
        on_interruption: Told about each lost stream.
        backoff: Pauses between tries.
    """

    stub: "OperationsServiceAsyncStub"
    endpoint: Endpoint
    get: Callable[[], Awaitable[Operation]]
    request: ReadLogRequest
    on_interruption: Interruption | None = None
    backoff: Backoff = field(default_factory=Backoff)
    _reached: bool = False

    async def entries(self) -> AsyncGenerator[LogEntry, None]:
        """Yield each line once, in order; with `follow` until the attempt has ended and all of it was read.

        Raises:
            KtrdrError: It was refused, or service or host were never reached.
        """
        operation = await self.get()
        # The attempt is chosen once: an offset means nothing in the log of a later one.
        self.request.attempt = self.request.attempt or operation.attempt
        while True:
            over = is_final(operation) or operation.attempt > self.request.attempt
            try:
                async with aclosing(self._one_stream()) as lines:
                    async for line in lines:
                        yield line
            except FailedPrecondition:
                if over or not self.request.follow:
                    raise
                self._reached = True
                await self.backoff.pause(None)  # no host has it yet
            except PASSING as error:
                if not self._reached:
                    raise
                await self.backoff.pause(error, self.on_interruption)
            else:
                # A stream that ends in good order says that there is nothing more, or that a server stops. What the
                # operation was before tells them apart.
                if over or not self.request.follow:
                    return
                self._reached = True
                await self.backoff.pause(None)
            operation = await self._look()

    async def _one_stream(self) -> AsyncGenerator[LogEntry, None]:
        async with open_stream(self.stub.ReadLog, self.request, endpoint=self.endpoint) as messages:
            async for message in messages:
                self._reached = True
                self.backoff.reset()
                for number, line in enumerate(message.lines):
                    yield _entry(line, after_gap=message.lines_dropped and number == 0)
                self._move_on(message)

    def _move_on(self, message: ReadLogResponse) -> None:
        if message.next_offset:
            self.request.offset = message.next_offset
            self.request.tail_lines = 0

    async def _look(self) -> Operation:
        """Return the operation as it is, as soon as the service answers."""
        while True:
            try:
                return await self.get()
            except PASSING as error:
                await self.backoff.pause(error, self.on_interruption)


def _entry(line: host_pb2.LogLine, *, after_gap: bool) -> LogEntry:
    return LogEntry(
        text=line.text,
        time=line.time.ToDatetime(tzinfo=UTC) if line.HasField("time") else None,
        level=host_pb2.LogLevel.Name(line.level).removeprefix("LOG_LEVEL_").lower() if line.level else "",
        printed=line.source == host_pb2.LOG_SOURCE_OUTPUT,
        fields=dict(line.fields),
        after_gap=after_gap,
    )
