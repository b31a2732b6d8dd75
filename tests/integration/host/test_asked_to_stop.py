"""The steps of a request to stop: shown as they are taken, and gone on with after a restart of the host."""

import signal
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import CancelStage, Session, SessionOptions

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.records import ExitRecord, InterruptionRecord, StartRecord
from services.host.runner import StopWish
from services.host.stop_cause import HOST_STOP
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host
from tests.support.session_worker import worker_spec

ASKED, INTERRUPTED = CancelStage.CANCEL_STAGE_ASKED, CancelStage.CANCEL_STAGE_INTERRUPTED
LONG = 600.0


@pytest.fixture
def patient(settings: ProbeHostSettings) -> ProbeHostSettings:
    """Settings under which no step of the ladder is taken while a test runs."""
    return settings.model_copy(update={"cancel_grace_seconds": LONG, "terminate_grace_seconds": LONG})


@pytest.fixture
def folder(settings: ProbeHostSettings) -> SessionFolder:
    return SessionFolder(settings.folder / "sessions" / "one")


async def start_staying(host: Host, end: str, options: SessionOptions | None = None) -> None:
    await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end=end), session_id="one", options=options)
    await eventually(lambda: host.sessions.get("one").progress.step == "staying")
    await eventually(lambda: host.sessions.get("one").worker_pid)


async def ended(host: Host) -> Session:
    await eventually(lambda: host.sessions.find("one").settled)
    return host.sessions.get("one")


async def at_stage(host: Host, stage: CancelStage.ValueType) -> Session:
    await eventually(lambda: host.sessions.get("one").cancel_stage == stage)
    return host.sessions.get("one")


def seconds_left(session: Session) -> float:
    return session.cancel_grace_left.ToTimedelta().total_seconds()


def reason(session: Session) -> str:
    info = error_info(session.error)
    return "" if info is None else info.reason


def partial(session: Session) -> Struct:
    found = Struct()
    assert session.result.Unpack(found)
    return found


def signal_that_ended(folder: SessionFolder) -> int | None:
    record = ExitRecord.load(folder.exit_record)
    assert record is not None
    return record.signal


async def test_each_step_and_the_time_to_the_next_are_shown(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "hang")
        assert host.sessions.get("one").cancel_stage == CancelStage.CANCEL_STAGE_UNSPECIFIED
        await host.sessions.cancel("one", reason="enough")
        asked = await at_stage(host, ASKED)
        await eventually(lambda: LONG - 60 < seconds_left(host.sessions.get("one")) <= LONG)
        assert asked.cancel_reason == "enough"
        await host.sessions.cancel("one", now=True)
        interrupted = await at_stage(host, INTERRUPTED)
        assert LONG - 60 < seconds_left(interrupted) <= LONG
        assert host.sessions.get("one").worker_pid == interrupted.worker_pid > 0
        psutil.Process(interrupted.worker_pid).kill()
        session = await ended(host)
    assert session.cancel_stage == INTERRUPTED
    assert not session.HasField("cancel_grace_left")


async def test_what_is_left_of_the_grace_counts_after_a_restart(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "sleep")
        await host.sessions.cancel("one", reason="enough")
    later = patient.model_copy(update={"cancel_grace_seconds": 300.0})
    async with running_host(later) as host:
        session = await at_stage(host, ASKED)
        await eventually(lambda: host.sessions.get("one").HasField("cancel_grace_left"))
        assert 200 < seconds_left(host.sessions.get("one")) < 300
        assert session.cancel_reason == "enough"
    async with running_host(patient.model_copy(update={"cancel_grace_seconds": 0.0})) as host:
        session = await ended(host)
    assert session.state == Session.STATE_CANCELLED


async def test_now_survives_a_restart(patient: ProbeHostSettings, folder: SessionFolder) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "hang")
        await host.sessions.cancel("one", reason="enough", now=True)
        await at_stage(host, INTERRUPTED)
    # The restarted host neither begins the graces again nor interrupts again what it has interrupted.
    async with running_host(patient) as host:
        session = await at_stage(host, INTERRUPTED)
        assert LONG - 120 < seconds_left(session) < LONG
    record = InterruptionRecord.load(folder.interruption_record)
    assert record is not None
    earlier = record.interrupted_at - timedelta(seconds=2 * LONG)
    folder.interruption_record.write_bytes(InterruptionRecord(interrupted_at=earlier).to_bytes())
    async with running_host(patient) as host:
        session = await ended(host)
    assert session.state == Session.STATE_CANCELLED
    assert signal_that_ended(folder) == signal.SIGKILL


async def test_now_that_came_last_before_the_end_of_the_host_is_not_forgotten(
    patient: ProbeHostSettings, folder: SessionFolder
) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "sleep")
        await host.sessions.cancel("one", reason="enough")
    # As if the host had been killed between the request and its deed.
    StopWish("again", now=True).write(folder.control)
    async with running_host(patient) as host:
        session = await ended(host)
    assert session.state == Session.STATE_CANCELLED
    assert session.cancel_reason == "enough"


async def test_a_session_over_its_time_limit_is_stopped_and_keeps_what_it_had(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        limit = SessionOptions(timeout=Duration(seconds=1, nanos=500_000_000))
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end="wait"), session_id="one", options=limit)
        session = await ended(host)
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "TIME_LIMIT")
    assert "1.5 s" in session.error.message
    assert partial(session)["partial"] == 1
    assert not session.HasField("time_left")


async def test_a_time_limit_counts_from_the_start_whatever_becomes_of_the_host(
    settings: ProbeHostSettings, folder: SessionFolder
) -> None:
    limit = SessionOptions(timeout=Duration(seconds=3_600))
    async with running_host(settings) as host:
        await start_staying(host, "hang", limit)
        assert 3_500 < host.sessions.get("one").time_left.ToTimedelta().total_seconds() <= 3_600
    folder.start_record.write_bytes(StartRecord(start_time=datetime.now(UTC) - timedelta(hours=2)).to_bytes())
    async with running_host(settings.model_copy(update={"terminate_grace_seconds": LONG})) as host:
        session = await at_stage(host, INTERRUPTED)
        assert session.state == Session.STATE_CANCELLING
        assert session.cancel_reason == "over its time limit of 1:00:00 h"
    # The reason is as durable as the request.
    async with running_host(settings) as host:
        session = await ended(host)
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "TIME_LIMIT")


async def test_work_that_completes_in_spite_of_the_limit_is_completed(patient: ProbeHostSettings) -> None:
    async with running_host(patient) as host:
        limit = SessionOptions(timeout=Duration(seconds=3_600))
        spec = worker_spec(epochs=2)
        await host.sessions.start(kind=KIND, spec=spec, session_id="one", options=limit)
        session = await ended(host)
    assert session.state == Session.STATE_COMPLETED


async def test_a_host_that_stops_can_let_its_workers_checkpoint(patient: ProbeHostSettings) -> None:
    stopping = patient.model_copy(update={"on_stop": "checkpoint", "stop_grace_seconds": LONG})
    async with running_host(stopping) as host:
        await start_staying(host, "wait")
    async with running_host(patient) as host:
        session = host.sessions.get("one")
    assert (session.state, reason(session)) == (Session.STATE_CANCELLED, "HOST_STOPPED")
    assert partial(session)["stop"] == "checkpoint"


async def test_a_worker_that_does_not_checkpoint_in_time_is_ended(settings: ProbeHostSettings) -> None:
    stopping = settings.model_copy(update={"on_stop": "checkpoint", "stop_grace_seconds": 0.2})
    async with running_host(stopping) as host:
        await start_staying(host, "hang")
    async with running_host(settings) as host:
        session = host.sessions.get("one")
    assert (session.state, reason(session)) == (Session.STATE_CANCELLED, "HOST_STOPPED")


async def test_a_cancellation_replaces_what_the_stopping_host_had_asked(
    patient: ProbeHostSettings, folder: SessionFolder
) -> None:
    async with running_host(patient) as host:
        await start_staying(host, "sleep")
    StopWish("the host was stopped", cause=HOST_STOP).write(folder.control)
    async with running_host(patient) as host:
        assert host.sessions.get("one").state == Session.STATE_CANCELLING
        await host.sessions.cancel("one", reason="by me", now=True)
        session = await ended(host)
    assert (session.state, reason(session), session.cancel_reason) == (Session.STATE_CANCELLED, "CANCELLED", "by me")
