"""A gateway that stops, or refuses connections, has none left: not even one that it was just about to take."""

import asyncio
import socket

import pytest

from services.ib_host.replay.faults.messages import CLOCK
from services.ib_host.replay.faults.restarts import RestartRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import dial
from tests.support.fake_clock import FakeClock

TURNS_OF_THE_LOOP = range(8)
"""So far a connection may have come from the kernel to the gateway."""


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other end has closed a connection, or has had time to."""
    connection.settimeout(60.0)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("turns", TURNS_OF_THE_LOOP)
async def test_a_connection_that_is_being_taken_ends_with_the_gateway(turns: int) -> None:
    gateway = ReplayServer(ReplaySettings(port=0))
    await gateway.__aenter__()
    with dial(gateway.address) as connection:
        for _ in range(turns):
            await asyncio.sleep(0)
        await gateway.__aexit__(None, None, None)
        assert await asyncio.to_thread(is_closed, connection)


# After two turns asyncio itself would lose it, as its server is closed at once.
@pytest.mark.parametrize("turns", [turn for turn in TURNS_OF_THE_LOOP if turn != 2])
async def test_a_connection_that_is_being_taken_does_not_outlive_a_restart(turns: int) -> None:
    clock = FakeClock()
    async with ReplayServer(ReplaySettings(port=0), faults=Faults(), wall_clock=clock) as gateway:
        with dial(gateway.address) as connection:
            for _ in range(turns):
                await asyncio.sleep(0)
            RestartRule(on=CLOCK, seconds=5.0).happen(gateway._world)
            assert await asyncio.to_thread(is_closed, connection)
            assert not gateway.is_listening
