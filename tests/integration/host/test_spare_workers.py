"""Workers that were started before there was a session for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil
import pytest
from ktrdr.host.v1.session_pb2 import Session, SessionOptions

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_spawn import keeper_lives
from services.host.records import WorkerRecord
from services.host.spare.spare_workers import FIRST_PAUSE_SECONDS, QUIET_SECONDS, SpareWorkers
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.host_service import (
    KIND,
    ProbeHostSettings,
    process_runner,
    running_host,
    session_processes,
    sigkill,
    spare_workers,
)
from tests.support.session_worker import worker_spec

pytestmark = pytest.mark.kill


@contextlib.asynccontextmanager
async def host_with_spares(
    settings: ProbeHostSettings, clock: FakeClock, count: int = 1
) -> AsyncIterator[tuple[Host, SpareWorkers]]:
    """Run a host whose spares are ready; they are replaced when `clock` is moved on."""
    spares = spare_workers(settings, count, clock)
    async with running_host(settings, process_runner(spares)) as host:
        spares.start()
        try:
            await eventually(lambda: len(spares.ready) == count)
            yield host, spares
        finally:
            await spares.stop()


def record_of(settings: ProbeHostSettings, session_id: str) -> WorkerRecord:
    record = WorkerRecord.load(folder_of(settings, session_id).worker_record)
    assert record is not None
    assert record.worker_pid
    return record


def folder_of(settings: ProbeHostSettings, session_id: str) -> SessionFolder:
    return SessionFolder(settings.folder / "sessions" / session_id)


async def ended(host: Host, session_id: str) -> tuple[int, str]:
    await eventually(lambda: host.sessions.find(session_id).settled)
    session = host.sessions.get(session_id)
    info = error_info(session.error)
    return session.state, "" if info is None else info.reason


async def test_a_session_gets_the_spare_and_the_next_one_is_started_for_it(settings: ProbeHostSettings) -> None:
    async with host_with_spares(settings, FakeClock()) as (host, spares):
        (keeper,) = spares.ready
        (worker,) = psutil.Process(keeper).children()
        assert psutil.Process(worker.pid).environ().get("DEVICES") is None
        spec = worker_spec(epochs=3, hold=2)
        await host.sessions.start(kind=KIND, spec=spec, session_id="one")
        await eventually(lambda: host.sessions.get("one").worker_pid == worker.pid)
        assert spares.ready == []
        await host.sessions.start(kind=KIND, spec=spec, session_id="two")
        await eventually(lambda: host.sessions.get("two").worker_pid)
        assert host.sessions.get("two").worker_pid != worker.pid
        for name in ("one", "two"):
            assert host.sessions.get(name).worker_liveness == Session.WORKER_LIVENESS_ALIVE
            (folder_of(settings, name).path / "go").touch()
            assert await ended(host, name) == (Session.STATE_COMPLETED, "")
    said = [folder_of(settings, name).log.read_text() for name in ("one", "two")]
    assert ["a spare begins" in text for text in said] == [True, False]
    assert record_of(settings, "one").keeper_pid == keeper
    exit_record = folder_of(settings, "one").exit_record.read_text()
    assert '"code": 0' in exit_record
    assert not session_processes(settings.home)


async def test_a_spare_is_replaced_once_the_start_is_over(settings: ProbeHostSettings) -> None:
    clock = FakeClock()
    async with host_with_spares(settings, clock) as (host, spares):
        (first,) = spares.ready
        await host.sessions.start(kind=KIND, spec=worker_spec(), session_id="one")
        assert await ended(host, "one") == (Session.STATE_COMPLETED, "")
        await eventually(lambda: clock.sleeping)
        assert spares.ready == []
        clock.advance(QUIET_SECONDS)
        await eventually(lambda: len(spares.ready) == 1)
        assert spares.ready != [first]


async def test_a_session_with_limits_of_its_own_takes_no_spare(settings: ProbeHostSettings) -> None:
    async with host_with_spares(settings, FakeClock()) as (host, spares):
        before = spares.ready
        options = SessionOptions(niceness=3)
        await host.sessions.start(kind=KIND, spec=worker_spec(), session_id="one", options=options)
        assert await ended(host, "one") == (Session.STATE_COMPLETED, "")
        assert spares.ready == before


@pytest.mark.parametrize("victim", ["keeper", "worker"])
async def test_a_spare_that_was_killed_leaves_nothing_and_is_replaced(settings: ProbeHostSettings, victim: str) -> None:
    clock = FakeClock()
    async with host_with_spares(settings, clock, count=2) as (_, spares):
        keeper, other = spares.ready
        (worker,) = psutil.Process(keeper).children()
        sigkill(keeper if victim == "keeper" else worker.pid)
        await eventually(lambda: spares.ready == [other])
        await eventually(lambda: not worker.is_running() and not psutil.pid_exists(keeper))
        await eventually(lambda: clock.sleeping)
        clock.advance(FIRST_PAUSE_SECONDS)
        await eventually(lambda: len(spares.ready) == 2)
    assert not session_processes(settings.home)


async def test_a_spare_that_cannot_be_loaded_is_tried_again_more_and_more_seldom(settings: ProbeHostSettings) -> None:
    clock = FakeClock()
    settings.folder.mkdir()
    spares = SpareWorkers(1, ["/no/such/program"], environment={}, folder=settings.folder, clock=clock)
    spares.start()
    for pause in (1, 2, 4):
        await eventually(lambda: clock.sleeping)
        clock.advance(FIRST_PAUSE_SECONDS * pause - 0.01)
        await asyncio.sleep(0)
        assert clock.sleeping
        clock.advance(0.01)
    assert await spares.take(usable=True) is None
    await spares.stop()


async def test_the_worker_killed_after_it_was_given_away(settings: ProbeHostSettings) -> None:
    async with host_with_spares(settings, FakeClock()) as (host, _):
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=3, hold=2), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.completed == 2)
        await eventually(lambda: host.sessions.get("one").worker_pid)
        sigkill(host.sessions.get("one").worker_pid)
        assert await ended(host, "one") == (Session.STATE_FAILED, "WORKER_KILLED")


async def test_a_session_of_a_spare_is_adopted_by_the_next_host(settings: ProbeHostSettings) -> None:
    async with host_with_spares(settings, FakeClock()) as (host, spares):
        keepers = spares.ready
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=3, hold=2), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.completed == 2)
    record = record_of(settings, "one")
    assert [record.keeper_pid] == keepers
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").worker_liveness == Session.WORKER_LIVENESS_ALIVE)
        assert host.sessions.get("one").worker_pid == record.worker_pid
        # The worker goes on without its keeper, too.
        sigkill(record.keeper_pid)
        await eventually(lambda: not keeper_lives(folder_of(settings, "one")))
        (folder_of(settings, "one").path / "go").touch()
        assert await ended(host, "one") == (Session.STATE_COMPLETED, "")


async def test_a_cancelled_session_of_a_spare_is_interrupted_and_killed(settings: ProbeHostSettings) -> None:
    async with host_with_spares(settings, FakeClock()) as (host, _):
        await host.sessions.start(kind=KIND, spec=worker_spec(end="hang"), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
        await host.sessions.cancel("one", reason="enough", now=False)
        assert (await ended(host, "one"))[0] == Session.STATE_CANCELLED
    assert not session_processes(settings.home)


async def test_spares_are_not_left_behind_while_they_load(settings: ProbeHostSettings) -> None:
    settings.folder.mkdir()
    spares = spare_workers(settings, 1, FakeClock())
    spares.start()
    await eventually(lambda: session_processes(settings.home))
    await spares.stop()
    assert not session_processes(settings.home)
