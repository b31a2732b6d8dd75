"""What a host finds that starts on the folder of one that was killed, and what it makes of it."""

import shutil
from pathlib import Path

import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_spawn import keeper_lives
from services.host.records import WorkerRecord
from services.host.runner import Liveness
from services.host.worker_evidence import look
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host, sigkill
from tests.support.session_worker import worker_spec

pytestmark = pytest.mark.kill


@pytest.fixture
async def left(settings: ProbeHostSettings) -> SessionFolder:
    """The folder of a session whose worker holds after two epochs, and that no host follows now."""
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=3, hold=2), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.completed == 2)
        await eventually(lambda: host.sessions.get("one").worker_pid)
    return SessionFolder(settings.folder / "sessions" / "one")


def processes(folder: SessionFolder) -> tuple[int, int]:
    """Return the pids of keeper and worker."""
    record = WorkerRecord.load(folder.worker_record)
    assert record is not None
    assert record.worker_pid
    return record.keeper_pid, record.worker_pid


async def gone(folder: SessionFolder) -> None:
    await eventually(lambda: look(folder).liveness is Liveness.ENDED)


async def ended(host: Host) -> tuple[Session, str]:
    await eventually(lambda: host.sessions.find("one").settled)
    session = host.sessions.get("one")
    info = error_info(session.error)
    return session, "" if info is None else info.reason


async def test_a_worker_that_ends_under_its_adopter(settings: ProbeHostSettings, left: SessionFolder) -> None:
    _, worker = processes(left)
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").worker_liveness == Session.WORKER_LIVENESS_ALIVE)
        assert host.sessions.get("one").worker_pid == worker
        (left.path / "go").touch()
        session, _ = await ended(host)
    assert (session.state, session.progress.completed) == (Session.STATE_COMPLETED, 3)


async def test_a_worker_whose_keeper_died_with_the_host(settings: ProbeHostSettings, left: SessionFolder) -> None:
    keeper, worker = processes(left)
    sigkill(keeper)
    await eventually(lambda: not keeper_lives(left))
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").worker_liveness == Session.WORKER_LIVENESS_ALIVE)
        assert (host.sessions.get("one").state, host.sessions.get("one").worker_pid) == (Session.STATE_RUNNING, worker)
        (left.path / "go").touch()
        session, _ = await ended(host)
    assert session.state == Session.STATE_COMPLETED
    assert not left.exit_record.exists()


async def test_a_result_without_any_word_on_the_process(settings: ProbeHostSettings, left: SessionFolder) -> None:
    keeper, _ = processes(left)
    sigkill(keeper)
    (left.path / "go").touch()
    await gone(left)
    async with running_host(settings) as host:
        session, _ = await ended(host)
    assert session.state == Session.STATE_COMPLETED


async def test_a_worker_that_was_killed_meanwhile(settings: ProbeHostSettings, left: SessionFolder) -> None:
    sigkill(processes(left)[1])
    await eventually(left.exit_record.exists)
    left.log.write_text("the last words\n")
    async with running_host(settings) as host:
        session, reason = await ended(host)
    assert (session.state, reason) == (Session.STATE_FAILED, "WORKER_KILLED")
    debug = error_details_pb2.DebugInfo()
    assert session.error.details[-1].Unpack(debug)
    assert "the last words" in debug.stack_entries
    assert session.progress.completed == 2


@pytest.mark.parametrize("evidence", ["all", "none"])
async def test_processes_that_went_without_a_trace(
    settings: ProbeHostSettings, left: SessionFolder, evidence: str
) -> None:
    for pid in processes(left):
        sigkill(pid)
    await gone(left)
    if evidence == "none":
        left.worker_record.unlink()
        left.alive_lock.unlink()
        # As after a power cut that took what was not synced: that a worker was started is known by nothing but this.
        (left.path / "exit.json").write_text("")
    async with running_host(settings) as host:
        session, reason = await ended(host)
    assert (session.state, reason) == (Session.STATE_FAILED, "WORKER_LOST" if evidence == "all" else "STORE_CORRUPT")


async def test_another_boot_of_the_machine(settings: ProbeHostSettings, left: SessionFolder, tmp_path: Path) -> None:
    # The files of a machine that was switched off and on again: numbers and locks are of another life.
    keeper, worker = processes(left)
    copy = tmp_path / "after the boot"
    shutil.copytree(settings.home, copy)
    sigkill(keeper)
    sigkill(worker)
    there = SessionFolder(copy / "training-host" / "sessions" / "one")
    record = WorkerRecord.load(there.worker_record)
    assert record is not None
    there.worker_record.write_bytes(record.model_copy(update={"boot_id": "an earlier one"}).to_bytes())
    async with running_host(settings.model_copy(update={"home": copy})) as host:
        session, reason = await ended(host)
    assert (session.state, reason) == (Session.STATE_FAILED, "WORKER_LOST")
