from pathlib import Path

import psutil
import pytest
from ktrdr.host.v1.session_pb2 import Session

from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.records import ExitRecord
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host
from tests.support.process_ends import has_ended
from tests.support.session_worker import worker_spec


async def start_staying(host: Host, end: str) -> None:
    """Start a worker and wait until it does what it is to be cancelled in."""
    await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end=end), session_id="one")
    await eventually(lambda: host.sessions.get("one").progress.step == "staying")


async def ended(host: Host, settings: ProbeHostSettings) -> tuple[Session, ExitRecord]:
    await eventually(lambda: host.sessions.find("one").settled)
    record = ExitRecord.load(SessionFolder(settings.folder / "sessions" / "one").exit_record)
    assert record is not None
    return host.sessions.get("one"), record


@pytest.fixture
def patient(settings: ProbeHostSettings) -> ProbeHostSettings:
    """Settings under which only the first step of the ladder is ever taken."""
    return settings.model_copy(update={"cancel_grace_seconds": 600.0, "terminate_grace_seconds": 600.0})


async def test_a_worker_that_looks_at_its_bridge_stops_by_itself(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "wait")
        await host.sessions.cancel("one", reason="enough")
        session, record = await ended(host, patient)
    assert session.state == Session.STATE_CANCELLED
    assert session.HasField("result"), "what it had produced is kept"
    assert (record.code, record.signal) == (0, None)


async def test_a_worker_that_does_not_look_is_interrupted(settings: ProbeHostSettings) -> None:
    settings = settings.model_copy(update={"terminate_grace_seconds": 600.0})
    async with running_host(settings) as host:
        await start_staying(host, "sleep")
        await host.sessions.cancel("one", reason="enough")
        session, record = await ended(host, settings)
    assert session.state == Session.STATE_CANCELLED
    assert (record.code, record.signal) == (0, None)


async def test_now_does_not_wait_for_the_worker(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "sleep")
        await host.sessions.cancel("one", reason="first", now=False)
        assert host.sessions.get("one").state == Session.STATE_CANCELLING
        await host.sessions.cancel("one", reason="second", now=True)
        session, _ = await ended(host, patient)
    assert session.state == Session.STATE_CANCELLED
    assert session.cancel_reason == "first"


async def test_a_worker_that_ignores_everything_is_killed(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        await start_staying(host, "hang")
        await host.sessions.cancel("one", reason="enough")
        session, record = await ended(host, settings)
    assert session.state == Session.STATE_CANCELLED
    assert "enough" in session.error.message
    assert (record.code, record.signal) == (None, 9)


async def test_what_a_worker_started_ends_with_it(patient: ProbeHostSettings, tmp_path: Path) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "spawn")
        child = int((tmp_path / "training-host" / "sessions" / "one" / "child.pid").read_text())
        assert psutil.pid_exists(child)
        await host.sessions.cancel("one", reason="enough")
        await ended(host, patient)
    await eventually(lambda: has_ended(child))


async def test_a_cancel_right_after_the_start_is_not_lost(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="wait"), session_id="one")
        await host.sessions.cancel("one", reason="at once", now=True)
        session, _ = await ended(host, settings)
    assert session.state == Session.STATE_CANCELLED


async def test_a_host_can_stop_its_work_with_itself(patient: ProbeHostSettings) -> None:
    stopping = patient.model_copy(update={"on_stop": "stop"})
    async with running_host(stopping) as host:
        await start_staying(host, "wait")
    async with running_host(patient) as host:
        session = host.sessions.get("one")
    assert session.state == Session.STATE_CANCELLED
    assert "the host was stopped" in session.error.message
