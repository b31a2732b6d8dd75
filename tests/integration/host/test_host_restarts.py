import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from ktrdr.host.v1 import host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session

from services.common.channel import open_channel
from services.common.clock import SystemClock
from services.common.errors import ServiceError, reason_name
from services.common.files import write_atomically
from services.common.startup import CannotStartError
from services.host.folder import SessionFolder
from services.host.records import SessionRecord
from tests.support.eventually import eventually
from tests.support.host_service import (
    KIND,
    ProbeHostSettings,
    make_host,
    running_host,
    served_host,
    sigkill,
)
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader


async def test_a_live_worker_is_adopted_and_read_on_with_the_same_cursor(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=6, hold=2), session_id="one")
        reader = stub_reader(stub)
        await reader.until(lambda each: len(each.values("one", "train_loss")) == 2)
        uid = host.describe().host_uid
    async with served_host(settings) as (host, stub):
        assert host.describe().host_uid == uid
        later = stub_reader(stub)
        later.cursor, later.sessions, later.points = reader.cursor, reader.sessions, reader.points
        (settings.folder / "sessions" / "one" / "go").touch()
        session = await later.until_final("one")
    assert session.state == Session.STATE_COMPLETED
    assert len(later.values("one", "train_loss")) == 6
    assert not later.resets


async def test_what_ended_while_no_host_ran_is_settled_at_the_next_start(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="exit", code=4), session_id="fails")
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="completes")
        for session_id in ("fails", "completes"):
            await eventually(SessionFolder(settings.folder / "sessions" / session_id).worker_record.exists)
    for session_id in ("fails", "completes"):
        await eventually(SessionFolder(settings.folder / "sessions" / session_id).exit_record.exists)
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("fails").state == Session.STATE_FAILED)
        await eventually(lambda: host.sessions.get("completes").state == Session.STATE_COMPLETED)
        told = [host.sessions.get(each) for each in ("fails", "completes")]
    async with running_host(settings) as host:
        assert [host.sessions.get(each) for each in ("fails", "completes")] == told


async def test_a_start_that_was_decided_but_not_done_is_done_at_the_next_start(settings: ProbeHostSettings) -> None:
    folder = settings.folder / "sessions" / "one"
    queueing = settings.model_copy(update={"slots": 1})
    async with running_host(queueing) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="wait"), session_id="first")
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="one")
        await host.begin_stop()
        await host.sessions.cancel("first", now=True)
        await eventually(lambda: host.sessions.get("first").state == Session.STATE_CANCELLED)
    await asyncio.to_thread(write_atomically, folder / "started.json", b'{"start_time": "2024-01-02T00:00:00Z"}')
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").state == Session.STATE_COMPLETED)


async def test_the_queue_and_its_order_survive(settings: ProbeHostSettings) -> None:
    settings = settings.model_copy(update={"slots": 1})
    async with running_host(settings) as host:
        for session_id in ("a", "b", "c"):
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1, hold=1), session_id=session_id)
        assert host.sessions.get("c").progress.wait_reason == "queued, 2nd in line"
    async with running_host(settings) as host:
        assert host.sessions.get("a").state == Session.STATE_RUNNING
        assert host.sessions.get("c").progress.wait_reason == "queued, 2nd in line"
        for session_id in ("a", "b", "c"):
            (settings.folder / "sessions" / session_id / "go").touch()
        await eventually(lambda: host.sessions.get("c").state == Session.STATE_COMPLETED)
        ends = [host.sessions.get(each).end_time.ToNanoseconds() for each in ("a", "b", "c")]
        assert ends == sorted(ends)


async def test_a_request_to_stop_survives(settings: ProbeHostSettings) -> None:
    patient = settings.model_copy(update={"cancel_grace_seconds": 600.0})
    async with running_host(patient) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="sleep"), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
        cancelled = await host.sessions.cancel("one", reason="enough")
        assert cancelled.state == Session.STATE_CANCELLING
    async with running_host(patient) as host:
        assert host.sessions.get("one").state == Session.STATE_CANCELLING
        assert host.sessions.get("one").cancel_reason == "enough"
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").state == Session.STATE_CANCELLED)


async def test_the_grace_of_a_cancelled_worker_runs_while_no_host_does(settings: ProbeHostSettings) -> None:
    class LaterClock(SystemClock):
        """An hour has passed."""

        def now(self) -> datetime:
            return super().now() + timedelta(hours=1)

    patient = settings.model_copy(update={"cancel_grace_seconds": 600.0})
    async with running_host(patient) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="sleep"), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
        await host.sessions.cancel("one", reason="enough")
    async with running_host(patient, clock=LaterClock()) as host:
        await eventually(lambda: host.sessions.get("one").state == Session.STATE_CANCELLED)


async def test_request_ids_are_remembered_for_a_day(settings: ProbeHostSettings) -> None:
    spec = worker_spec(epochs=1)
    async with running_host(settings) as host:
        first = await host.sessions.start(kind=KIND, spec=spec, request_id="r")
        await eventually(lambda: host.sessions.get(first.id).state == Session.STATE_COMPLETED)
    async with running_host(settings) as host:
        assert (await host.sessions.start(kind=KIND, spec=spec, request_id="r")).id == first.id
        with pytest.raises(ServiceError) as refused:
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2), request_id="r")
        assert reason_name(refused.value.reason) == "REQUEST_ID_REUSED"
    record = SessionFolder(settings.folder / "sessions" / first.id).session_record
    stored = SessionRecord.load(record)
    assert stored is not None
    older = stored.model_copy(update={"create_time": stored.create_time - timedelta(hours=25)})
    write_atomically(record, older.to_bytes())
    async with running_host(settings) as host:
        second = await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2), request_id="r")
        assert second.id != first.id
        await eventually(lambda: host.sessions.get(second.id).state == Session.STATE_COMPLETED)


async def test_a_second_host_on_the_folder_is_told_who_owns_it(settings: ProbeHostSettings) -> None:
    async with running_host(settings.model_copy(update={"name": "box-7"})):
        second = make_host(settings)
        with pytest.raises(CannotStartError, match=r"in use by box-7 \(pid \d+"):
            await second.start()
        await second.stop()


async def test_folders_that_hold_no_session_are_left_alone(settings: ProbeHostSettings) -> None:
    root = settings.folder / "sessions"
    (root / ".new-half").mkdir(parents=True)
    (root / "strange").mkdir()
    (root / "strange" / "session.json").write_text("{")
    async with running_host(settings) as host:
        assert not host.listing.page(0, "").sessions
        with pytest.raises(ServiceError) as refused:
            await host.sessions.start(kind=KIND, spec=worker_spec(), session_id="strange")
        assert reason_name(refused.value.reason) == "SESSION_EXISTS"
    assert not (root / ".new-half").exists()
    assert (root / "strange" / "session.json").read_text() == "{"


@pytest.mark.kill
async def test_a_killed_host_process_loses_nothing(settings: ProbeHostSettings, tmp_path: Path) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=6, hold=2), session_id="one")
    arguments = ["-m", "tests.support.host_service", "--home", str(tmp_path), "--ready-file", str(tmp_path / "ready")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, "--port", "0", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually((tmp_path / "ready").exists)
        address = json.loads((tmp_path / "ready").read_text())["address"]
        async with open_channel(address) as channel:
            reader = stub_reader(cast("host_pb2_grpc.HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel)))
            await reader.until(lambda each: len(each.values("one", "train_loss")) == 2)
    finally:
        sigkill(process.pid)
        await process.wait()
    async with served_host(settings) as (_, stub):
        later = stub_reader(stub)
        later.cursor, later.points, later.sessions = reader.cursor, reader.points, reader.sessions
        (settings.folder / "sessions" / "one" / "go").touch()
        session = await later.until_final("one")
    assert session.state == Session.STATE_COMPLETED
    assert len(later.values("one", "train_loss")) == 6
