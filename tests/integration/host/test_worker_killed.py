import pytest
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_spawn import keeper_lives
from services.host.records import WorkerRecord
from services.host.runner import Liveness
from services.host.worker_evidence import look
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host, sigkill
from tests.support.session_worker import worker_spec
from tests.support.status_reader import StatusReader, stub_reader

pytestmark = pytest.mark.kill


def worker_record(settings: ProbeHostSettings, session_id: str) -> WorkerRecord:
    record = WorkerRecord.load(SessionFolder(settings.folder / "sessions" / session_id).worker_record)
    assert record is not None
    assert record.worker_pid
    return record


async def start_and_hold(host: Host, reader: StatusReader, **spec: str | float) -> Session:
    """Start a worker that waits within its epochs, and return the session as it is then."""
    await host.sessions.start(kind=KIND, spec=worker_spec(epochs=5, hold=3, batches=4, **spec), session_id="one")
    # The worker may have come so far before its keeper has written down which process it is.
    await reader.until(lambda each: len(each.values("one", "train_loss")) == 3 and each.sessions["one"].worker_pid > 0)
    return reader.sessions["one"]


async def test_a_worker_killed_within_an_epoch_fails_with_the_signal_after_its_last_point(
    settings: ProbeHostSettings,
) -> None:
    async with served_host(settings) as (host, stub):
        behind = stub_reader(stub, page_points=3)
        await behind.read()
        held = await start_and_hold(host, stub_reader(stub))
        assert held.worker_liveness == Session.WORKER_LIVENESS_ALIVE
        sigkill(held.worker_pid)
        await eventually(lambda: host.sessions.get("one").state == Session.STATE_FAILED)
        while "one" not in behind.finals:
            # Not final before every point that was written has come, however small the pages are.
            assert len(behind.values("one", "train_loss")) <= 3
            await behind.read()
        session = behind.sessions["one"]
    info = error_info(session.error)
    assert info is not None
    assert (info.reason, info.metadata["signal"]) == ("WORKER_KILLED", "SIGKILL")
    assert "SIGKILL" in session.error.message
    assert len(behind.values("one", "train_loss")) == 3
    assert len(behind.values("one", "batch_loss")) == 12


async def test_the_work_goes_on_without_its_keeper_and_its_result_counts(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        reader = stub_reader(stub)
        await start_and_hold(host, reader)
        sigkill(worker_record(settings, "one").keeper_pid)
        folder = SessionFolder(settings.folder / "sessions" / "one")
        await eventually(lambda: not keeper_lives(folder))
        assert look(folder).liveness is Liveness.ALIVE
        (settings.folder / "sessions" / "one" / "go").touch()
        session = await reader.until_final("one")
    assert session.state == Session.STATE_COMPLETED
    assert len(reader.values("one", "train_loss")) == 5


async def test_worker_and_keeper_gone_without_a_trace_is_a_lost_worker(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        reader = stub_reader(stub)
        await start_and_hold(host, reader)
        record = worker_record(settings, "one")
        sigkill(record.keeper_pid)
        sigkill(record.worker_pid or 0)
        session = await reader.until_final("one")
    info = error_info(session.error)
    assert info is not None
    assert info.reason == "WORKER_LOST"
    assert len(reader.values("one", "train_loss")) == 3


async def test_a_death_that_cannot_be_proved_is_stale_and_not_failed(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        reader = stub_reader(stub)
        await start_and_hold(host, reader)
        record = worker_record(settings, "one")
        folder = SessionFolder(settings.folder / "sessions" / "one")
        # A file system that answers no question about locks, and a worker whose number means nothing here.
        for lock in (folder.keeper_lock, folder.alive_lock):
            lock.rename(lock.with_suffix(".away"))
            lock.mkdir()
        elsewhere = record.model_copy(update={"boot_id": "of another machine"})
        folder.worker_record.write_bytes(elsewhere.to_bytes())
        sigkill(record.keeper_pid)
        await reader.until(lambda each: each.sessions["one"].worker_liveness == Session.WORKER_LIVENESS_STALE)
        assert reader.sessions["one"].state == Session.STATE_RUNNING
        # It is looked at again: what can be proved later is.
        for lock in (folder.keeper_lock, folder.alive_lock):
            lock.rmdir()
            lock.with_suffix(".away").rename(lock)
        await reader.until(lambda each: each.sessions["one"].worker_liveness == Session.WORKER_LIVENESS_ALIVE)
        (folder.path / "go").touch()
        session = await reader.until_final("one")
    assert session.state == Session.STATE_COMPLETED
