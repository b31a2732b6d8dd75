"""The loop that follows one host: whatever goes wrong in a poll is the poll's, and reads can hurry it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host

from services.common.clock import SystemClock
from services.common.errors import ServiceError
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost
from services.operations.host_errors import CursorRejected, HostCallError, HostDoesNotAnswer
from services.operations.intake import Taken
from services.operations.loop_load import LoopLoad
from services.operations.pacing import Intervals, Pacing
from services.operations.poller import HostPoller
from tests.support.eventually import eventually

QUICK = Intervals(watched=0.001, shortest=0.001, longest=0.002)
NEVER = Intervals(watched=0.001, shortest=600.0, longest=600.0)


class Source:
    """Gives scripted answers, and then the same one for ever.

    Attributes:
        goes_on: while it is not set, all polls but the first have to wait.
    """

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.waits: list[float] = []
        self.cursors: list[tuple[bytes, bytes]] = []
        self.open = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def get_status(self, cursor: bytes, *, acked_cursor: bytes, wait_seconds: float) -> GetStatusResponse:
        self.waits.append(wait_seconds)
        self.cursors.append((cursor, acked_cursor))
        self.open += 1
        try:
            if len(self.waits) > 1:
                await self.goes_on.wait()
            if self.script:
                raise self.script.pop(0)
            if len(self.waits) > 1 and wait_seconds:
                await asyncio.sleep(wait_seconds)
            return GetStatusResponse(host=Host(host_uid="uid"), next_cursor=b"c", snapshot_complete=True)
        finally:
            self.open -= 1


class Intake:
    """Takes answers in, or fails as it is told."""

    def __init__(self, *script: Exception) -> None:
        self.script = list(script)
        self.taken = 0

    async def take(
        self,
        host: FollowedHost,
        cursor: bytes,  # noqa: ARG002 - the signature is the real one's
        answer: GetStatusResponse,
        *,
        asked_at: float,
    ) -> Taken:
        if self.script:
            raise self.script.pop(0)
        self.taken += 1
        host.reading = host.reading.after(answer, asked_at)
        return Taken(changed=False)


def identify(host: FollowedHost, host_uid: str) -> bool:
    host.host_uid = host_uid
    return False


@asynccontextmanager
async def polling(
    source: Source,
    intake: Intake,
    intervals: Intervals = QUICK,
    demand: Demand | None = None,
    wait_seconds: float = 0.05,
) -> AsyncIterator[tuple[HostPoller, FollowedHost]]:
    host = FollowedHost("gpu", "a:1", 20.0)
    poller = HostPoller(
        host,
        source,
        intake,  # type: ignore[arg-type]  # has the one method that is called
        Pacing(intervals, random.Random(1)),
        demand or Demand(),
        SystemClock(),
        load=LoopLoad(SystemClock()),
        wait_seconds=wait_seconds,
        identify=identify,
        told=lambda _host, _taken: None,
    )
    task = asyncio.create_task(poller.run(0.0))
    try:
        yield poller, host
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.open == 0


FAILURES: list[tuple[str, list[Exception], list[Exception], str]] = [
    ("no answer", [HostDoesNotAnswer("Nothing answers.")], [], "Nothing answers."),
    ("a fault in the call", [RuntimeError("secret")], [], "Look into the log"),
    ("an answer that cannot be understood", [], [ValueError("secret")], "Look into the log"),
    ("a full disk", [], [ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")], "Free space"),
]


@pytest.mark.parametrize(("name", "calls", "intakes", "problem"), FAILURES)
async def test_a_failed_poll_is_told_with_the_host_and_followed_by_another(
    name: str, calls: list[Exception], intakes: list[Exception], problem: str
) -> None:
    source, intake = Source(*calls), Intake(*intakes)
    source.goes_on.clear()  # the next poll would make good what is looked at here
    async with polling(source, intake) as (_, host):
        await eventually(lambda: host.failures == 1)
        assert problem in host.problem, name
        assert "secret" not in host.problem
        source.goes_on.set()
        await eventually(lambda: intake.taken > 0)
        await eventually(lambda: host.failures == 0)
        assert host.problem == ""


async def test_a_rejected_cursor_begins_again_without_counting_as_a_failure() -> None:
    source, intake = Source(), Intake()
    async with polling(source, intake) as (_, host):
        await eventually(lambda: host.reading.cursor == b"c")
        source.script.append(CursorRejected("unknown"))
        taken = intake.taken
        await eventually(lambda: not source.script and intake.taken > taken)
        assert host.failures == 0


async def test_a_refresh_hurries_a_pause_and_shares_one_poll_that_does_not_wait() -> None:
    source, intake = Source(), Intake()
    async with polling(source, intake, NEVER) as (poller, _):
        await eventually(lambda: intake.taken == 1)
        await asyncio.wait_for(asyncio.gather(*(poller.refresh() for _ in range(10))), 60)
        assert intake.taken == 2
        assert source.waits == [0.0, 0.0]


async def test_a_refresh_gives_up_a_long_poll() -> None:
    source, intake = Source(), Intake()
    demand = Demand()
    async with polling(source, intake, NEVER, demand, wait_seconds=600.0) as (poller, _):
        with demand.hold():  # who watches is served by long polls, one after the other
            await eventually(lambda: source.waits == [0.0, 600.0])
            await asyncio.wait_for(poller.refresh(), 60)
            assert source.waits[2] == 0.0
            assert intake.taken == 2


async def test_a_refresh_of_a_host_that_does_not_answer_says_so() -> None:
    source, intake = Source(), Intake()
    async with polling(source, intake, NEVER) as (poller, _):
        await eventually(lambda: intake.taken == 1)
        source.script.append(HostDoesNotAnswer("Nothing answers."))
        with pytest.raises(HostCallError, match=r"Nothing answers\."):
            await asyncio.wait_for(poller.refresh(), 60)


async def test_the_first_poll_of_a_host_does_not_wait_for_news_and_later_ones_do() -> None:
    source, intake = Source(), Intake()
    async with polling(source, intake):
        await eventually(lambda: len(source.waits) > 2)
        assert source.waits[:2] == [0.0, 0.05]
