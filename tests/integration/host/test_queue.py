import asyncio
import errno

import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import SystemClock
from services.common.errors import ServiceError, error_info, reason_name
from services.host.allotment import Allotment
from services.host.folder import SessionFolder
from services.host.task_runner import TaskRunner
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.scripted_work import ScriptedHost, ScriptedWork, scripted_host
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader


@pytest.fixture
def narrow(settings: ProbeHostSettings) -> ProbeHostSettings:
    """One slot, two places in the queue."""
    return settings.model_copy(update={"slots": 1, "queue_limit": 2})


async def start_all(served: ScriptedHost, *session_ids: str) -> None:
    for session_id in session_ids:
        await served.host.sessions.start(kind=KIND, spec=Struct(), session_id=session_id)


async def test_sessions_wait_in_line_and_are_told_their_place(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        await start_all(served, "a", "b", "c")
        reader = stub_reader(served.stub)
        await reader.drain()
        assert reader.sessions["a"].state == Session.STATE_RUNNING
        assert reader.sessions["b"].state == reader.sessions["c"].state == Session.STATE_QUEUED
        assert reader.sessions["b"].progress.wait_reason == "queued, 1st in line"
        assert reader.sessions["c"].progress.wait_reason == "queued, 2nd in line"
        assert reader.sessions["c"].worker_liveness == Session.WORKER_LIVENESS_UNSPECIFIED
        await served.work.working("a")
        await served.complete("a")
        await reader.until(lambda each: each.sessions["b"].state == Session.STATE_RUNNING)
        assert reader.sessions["c"].progress.wait_reason == "queued, 1st in line"


async def test_a_full_queue_refuses_and_says_when_to_try_again(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        await start_all(served, "a", "b", "c")
        with pytest.raises(ServiceError) as refused:
            await start_all(served, "d")
        assert reason_name(refused.value.reason) == "QUEUE_FULL"
        assert refused.value.retry_after is not None
        assert "1 running, 2 queued" in refused.value.message
        assert not (narrow.folder / "sessions" / "d").exists()
        await start_all(served, "c")
        await served.host.sessions.cancel("b")
        await start_all(served, "d")


async def test_a_queued_session_is_cancelled_on_the_spot(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        await start_all(served, "a", "b", "c")
        first, second = await asyncio.gather(
            served.host.sessions.cancel("b", reason="never mind"), served.host.sessions.cancel("b", reason="again")
        )
        assert first.state == second.state == Session.STATE_CANCELLED
        assert first.cancel_reason == "never mind"
        assert not first.HasField("start_time")
        assert served.host.sessions.get("c").progress.wait_reason == "queued, 1st in line"
        reader = stub_reader(served.stub)
        await reader.drain()
        assert reader.finals == ["b"]


async def test_starting_the_same_session_at_the_same_time_starts_it_once(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        same = [served.host.sessions.start(kind=KIND, spec=Struct(), session_id="a", request_id="r") for _ in range(5)]
        assert {answer.id for answer in await asyncio.gather(*same)} == {"a"}
        with pytest.raises(ServiceError) as refused:
            await served.host.sessions.start(kind=KIND, spec=worker_spec(epochs=9), session_id="a")
        assert reason_name(refused.value.reason) == "SESSION_EXISTS"
        assert served.host.describe().running_sessions == 1


async def test_a_caller_that_goes_away_does_not_undo_its_start(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        starting = asyncio.create_task(served.host.sessions.start(kind=KIND, spec=Struct(), session_id="a"))
        await eventually(lambda: served.host.sessions.has("a"), interval_seconds=0)
        starting.cancel()
        await served.work.working("a")
        assert served.host.sessions.get("a").state == Session.STATE_RUNNING


async def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        root = narrow.folder / "sessions"
        root.rename(root.with_name("away"))
        root.write_text("in the way")
        with pytest.raises(ServiceError) as refused:
            await start_all(served, "a")
        assert reason_name(refused.value.reason) == "STORAGE_FULL"
        root.unlink()
        root.with_name("away").rename(root)
        await start_all(served, "a")
        await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_RUNNING)


class UnwillingRunner(TaskRunner):
    """Cannot start or adopt anything until it is told that it can.

    Attributes:
        error: What stands in the way.
        tried: How often somebody tried.
    """

    error: Exception | None = None
    tried = 0

    async def start(self, session: SessionFolder, allotment: Allotment) -> None:
        self.tried += 1
        if self.error is not None:
            raise self.error
        await super().start(session, allotment)


def unwilling(error: Exception) -> tuple[UnwillingRunner, ScriptedWork]:
    work = ScriptedWork()
    runner = UnwillingRunner(KIND, work, clock=SystemClock())
    runner.error = error
    return runner, work


@pytest.mark.parametrize(
    ("error", "reason", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "STORAGE_FULL", "No space left on device"),
        (RuntimeError("a secret"), "INTERNAL", "Look for request id a"),
    ],
)
async def test_a_session_that_cannot_be_started_fails_and_frees_its_slot(
    narrow: ProbeHostSettings, error: Exception, reason: str, said: str
) -> None:
    runner, work = unwilling(error)
    async with served_host(narrow, runner) as (host, _):
        await host.sessions.start(kind=KIND, spec=Struct(), session_id="a")
        await eventually(lambda: host.sessions.get("a").state == Session.STATE_FAILED)
        info = error_info(host.sessions.get("a").error)
        assert info is not None
        assert info.reason == reason
        assert said in host.sessions.get("a").error.message
        assert "secret" not in host.sessions.get("a").error.message
        runner.error = None
        await host.sessions.start(kind=KIND, spec=Struct(), session_id="b")
        await work.working("b")


async def test_a_session_that_cannot_be_adopted_yet_is_not_given_up(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        await served.start("a", epochs=2)
    runner, work = unwilling(OSError(errno.ENOSPC, "No space left on device"))
    async with served_host(narrow, runner) as (host, _):
        await eventually(lambda: runner.tried)
        assert host.sessions.get("a").state == Session.STATE_RUNNING
        runner.error = None
        await work.working("a")


async def test_a_session_that_cannot_be_adopted_can_be_cancelled(narrow: ProbeHostSettings) -> None:
    async with scripted_host(narrow) as served:
        await served.start("a", epochs=2)
    runner, _ = unwilling(OSError(errno.ENOSPC, "No space left on device"))
    async with served_host(narrow, runner) as (host, _):
        await host.sessions.cancel("a", reason="enough")
        await eventually(lambda: host.sessions.get("a").state == Session.STATE_CANCELLED)
