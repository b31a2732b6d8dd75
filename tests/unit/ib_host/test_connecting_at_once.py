"""Someone wants to know now whether the gateway is there: the try that is under way counts, too."""

import asyncio

import pytest

from services.ib_host.replay.faults.answers import DelayRule
from services.ib_host.replay.faults.messages import HANDSHAKE
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.gateway_connections import connection_to


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine take its time."""
    monkeypatch.setattr("services.ib_host.connection.gateway._MOST_SECONDS_OF_A_TRY", 60.0)


async def test_a_handshake_that_is_under_way_is_waited_for() -> None:
    clock = FakeClock()
    faults = Faults([DelayRule(on=HANDSHAKE, seconds=1.0)])
    async with ReplayServer(ReplaySettings(port=0), faults=faults, wall_clock=clock) as gateway:
        connection = connection_to(gateway.port, retry_seconds=3_600.0)
        await connection.start()
        await eventually(lambda: clock.sleeping)
        trying = asyncio.create_task(connection.try_now())
        await asyncio.wait({trying}, timeout=0.05)
        assert not trying.done()
        clock.advance(1.0)
        await trying
        assert connection.session is not None
        await connection.try_now()  # there is one: it is not waited for
        await connection.stop()


async def test_a_pause_ends_and_its_try_is_waited_for() -> None:
    connection = connection_to(9, retry_seconds=3_600.0)
    await connection.start()
    await eventually(lambda: connection.picture.retry_in)
    await connection.try_now()
    assert connection.picture.failures == 2
    await connection.stop()


async def test_where_nobody_connects_nothing_is_waited_for() -> None:
    connection = connection_to(9, retry_seconds=3_600.0)
    await connection.try_now()
    assert connection.picture.failures == 0
