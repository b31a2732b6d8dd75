"""Every fault of the catalogue happens when it is provoked, and the gateway serves the next client as ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from services.ib_host.replay.faults.catalogue import describe, fault, fault_names
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import RawClient
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

CONTRACT = (0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")


@contextlib.asynccontextmanager
async def dialled(gateway: ReplayServer) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    yield RawClient(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def ask_for_bars(client: RawClient, request_id: int) -> None:
    client.send(20, request_id, *CONTRACT, 0, "", "1 day", "5 D", 1, "TRADES", 2, 0, "")


def ask_everything(client: RawClient) -> None:
    """Send what a client sends that does not wait for answers."""
    client.greet()
    client.send(71, 2, 5, "")
    client.send(99, 0)
    client.send(9, 8, 1, *CONTRACT, 0, "", "", "")
    client.send(87, 2, *CONTRACT, 0, 1, "TRADES", 2)
    for request_id in (3, 4, 5):
        ask_for_bars(client, request_id)


@pytest.mark.parametrize("name", fault_names())
async def test_a_fault_happens_and_passes(name: str) -> None:
    clock, rule = FakeClock(), fault(name, probability=None)
    async with ReplayServer(ReplaySettings(port=0), faults=Faults([rule]), wall_clock=clock) as gateway:
        async with dialled(gateway) as client:
            ask_everything(client)
            if describe(name).table["on"] == "clock":
                await eventually(lambda: clock.sleeping or isinstance(rule.begin, datetime))
                clock.advance(30)
                if isinstance(rule.begin, datetime):
                    gateway.move_to(rule.begin)
            await eventually(lambda: gateway.journal.fired)
            assert {(fired.rule, fired.action) for fired in gateway.journal.fired} == {(name, rule.action)}
        gateway.clear_faults()
        for _ in range(20):
            clock.advance(30)
            await asyncio.sleep(0)
        await eventually(lambda: gateway.is_listening and not gateway.client_ids)
        async with dialled(gateway) as client:
            await client.start(client_id=6)
            ask_for_bars(client, 9)
            answer = await client.receive()
            assert (answer[0], answer[1], answer[4]) == ("17", "9", "5")
        await eventually(lambda: not gateway.client_ids)
        assert gateway.journal.summary.open == 0
