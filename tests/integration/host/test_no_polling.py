"""The host does nothing for a worker that runs, and knows of its end at once."""

import asyncio

import psutil
import pytest
from ktrdr.host.v1.session_pb2 import Session

from services.host import process_runner
from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives
from services.host.records import WorkerRecord
from services.host.runner import WorkerView
from services.host.worker_evidence import look
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host, sigkill
from tests.support.process_ends import has_ended
from tests.support.session_worker import worker_spec


class Looks:
    """Counts how often workers are looked at."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, session: SessionFolder) -> WorkerView:
        self.count += 1
        return look(session)

    async def have_ended(self) -> None:
        """Wait until nobody looks for half a second: only then the host waits for the ends of processes alone."""

        async def quiet() -> bool:
            before = self.count
            await asyncio.sleep(0.5)
            return self.count == before

        await eventually(quiet)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    counted = Looks()
    monkeypatch.setattr(process_runner, "look", counted)
    return counted


async def test_nothing_is_done_for_workers_that_run(settings: ProbeHostSettings, looks: Looks) -> None:
    wide = settings.model_copy(update={"slots": 4})
    async with running_host(wide) as host:
        for session_id in "abcd":
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1, hold=1), session_id=session_id)
        await eventually(lambda: all(host.sessions.get(each).worker_pid for each in "abcd"))
        await looks.have_ended()
        before = psutil.Process().num_ctx_switches().voluntary
        await asyncio.sleep(1.0)
        assert psutil.Process().num_ctx_switches().voluntary - before < 20
    # A restarted host does no more for those that it has adopted.
    async with running_host(wide) as host:
        await eventually(lambda: all(host.sessions.get(each).worker_pid for each in "abcd"))
        await looks.have_ended()
        count = looks.count
        (settings.folder / "sessions" / "a" / "go").touch()
        await eventually(lambda: host.sessions.get("a").state == Session.STATE_COMPLETED)
        assert looks.count - count <= 2
        for session_id in "bcd":
            sigkill(host.sessions.get(session_id).worker_pid)
        await eventually(lambda: all(host.sessions.get(each).state == Session.STATE_FAILED for each in "bcd"))


async def test_a_worker_without_a_keeper_is_waited_for_and_leaves_nothing_behind(
    settings: ProbeHostSettings, looks: Looks
) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end="spawn"), session_id="one")
        folder = SessionFolder(settings.folder / "sessions" / "one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
        await eventually(lambda: host.sessions.get("one").worker_pid)
        child = int((folder.path / "child.pid").read_text())
        record = WorkerRecord.load(folder.worker_record)
        assert record is not None
        sigkill(record.keeper_pid)
        await eventually(lambda: not keeper_lives(folder))
        await looks.have_ended()
        assert host.sessions.get("one").worker_liveness == Session.WORKER_LIVENESS_ALIVE
        await host.sessions.cancel("one", reason="enough")
        await eventually(lambda: host.sessions.find("one").settled)
        assert host.sessions.get("one").state == Session.STATE_CANCELLED
        assert host.sessions.get("one").HasField("result")
        await eventually(lambda: has_ended(child))
