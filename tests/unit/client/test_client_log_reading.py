"""A log that is followed is waited for, whatever has gone away since it was reached first."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest
from ktrdr.operations.v1.operations_pb2 import Operation, ReadLogRequest, ReadLogResponse
from ktrdr_client.backoff import Backoff
from ktrdr_client.calls import Endpoint
from ktrdr_client.errors import FailedPrecondition, KtrdrError, Unavailable
from ktrdr_client.logs import LogReading

LINE: Final = "the line"


class Script:
    """A service with a script: an error breaks a stream, None ends it in good order, a text is a line of it."""

    def __init__(self, *streams: KtrdrError | str | None) -> None:
        self._streams = list(streams)
        self._current: list[KtrdrError | str | None] = []

    def ReadLog(self, _request: ReadLogRequest, **_options: Any) -> "Script":  # noqa: N802 - the contract's name
        self._current = [self._streams.pop(0)]
        return self

    def cancel(self) -> None:
        """Nothing is left to cancel."""

    def __aiter__(self) -> AsyncIterator[ReadLogResponse]:
        return self

    async def __anext__(self) -> ReadLogResponse:
        step = self._current.pop(0) if self._current else None
        if isinstance(step, KtrdrError):
            raise step
        if step is None:
            raise StopAsyncIteration
        response = ReadLogResponse(next_offset="end")
        response.lines.add(text=step)
        return response

    async def get(self) -> Operation:
        """Return an operation that is over when only one more stream is left."""
        state = Operation.STATE_COMPLETED if len(self._streams) <= 1 else Operation.STATE_RUNNING
        return Operation(state=state, attempt=1)


def reading(script: Script) -> LogReading:
    stub: Any = script
    backoff = Backoff(first_seconds=0.001, limit_seconds=0.001)
    return LogReading(stub, Endpoint("service", "a:1"), script.get, ReadLogRequest(follow=True), backoff=backoff)


GONE: Final = Unavailable("host gpu does not answer")
REACHED: Final[Sequence[KtrdrError | str | None]] = (
    None,  # the service stops in good order, and has not had any line until then
    FailedPrecondition("no host has it yet"),
)


@pytest.mark.parametrize("first", REACHED)
async def test_a_host_that_goes_away_before_the_first_line_is_waited_for(first: KtrdrError | None) -> None:
    lines = [entry.text async for entry in reading(Script(first, GONE, LINE)).entries()]
    assert lines == [LINE]


async def test_a_host_that_was_never_reached_is_an_error() -> None:
    with pytest.raises(Unavailable):
        await anext(reading(Script(GONE, GONE, LINE)).entries())
