"""Troubles of the whole gateway, greetings and starts that fail, and client ids that stay taken."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.ib_host.connection.notices import Link
from services.ib_host.replay.faults.answers import DelayRule, ErrorRule, SilentRule
from services.ib_host.replay.faults.client_ids import ZombieClientIdRule
from services.ib_host.replay.faults.closing import AbortRule, CutRule, DisconnectRule
from services.ib_host.replay.faults.drip import DripRule
from services.ib_host.replay.faults.links import ConnectivityRule, FarmRule
from services.ib_host.replay.faults.malformed import MalformedRule
from services.ib_host.replay.faults.messages import HANDSHAKE
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.requests.failures import FailureKind
from tests.integration.replay.conftest import RawClient
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.faulty_requests import HostRequests, host_requests

HISTORY = Inbound.HISTORICAL_DATA
START = Inbound.START_API
NOW = datetime(2013, 3, 2, tzinfo=UTC)


def gateway_with(*rules: FaultRule, clock: FakeClock | None = None) -> ReplayServer:
    return ReplayServer(ReplaySettings(port=0), faults=Faults(rules), wall_clock=clock)


def farms(host: HostRequests) -> dict[str, bool]:
    return {farm.name: farm.ok for farm in host.connection.picture.farms}


async def opening(gateway: ReplayServer) -> Sequence[str]:
    """Return the codes of the notices that a client gets at its start."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    client = RawClient(reader, writer)
    client.greet()
    await client.receive()
    client.send(71, 2, 9, "")
    frames = [await client.receive() for _ in range(5)]
    writer.close()
    await writer.wait_closed()
    return [frame[3] for frame in frames if frame[0] == "4"]


async def test_requests_survive_a_lost_link_whose_data_is_kept() -> None:
    clock = FakeClock()
    rule = ConnectivityRule(on=HISTORY, times=1, seconds=90)
    async with gateway_with(rule, clock=clock) as gateway, host_requests(gateway) as host:
        asking = asyncio.create_task(host.week())
        await eventually(lambda: host.connection.link is Link.IB_DOWN)
        assert gateway.open_queries
        assert not asking.done()
        clock.advance(90)
        assert len(bars := await asking) == 5, bars  # type: ignore[arg-type]  # a failure has no length
        assert host.connection.link is Link.UP
        assert not gateway.open_queries


async def test_requests_are_lost_with_a_link_whose_data_is_lost() -> None:
    clock = FakeClock()
    rules = (
        DelayRule(on=HISTORY, symbol="MSFT", seconds=10, times=1),
        ConnectivityRule(on=HISTORY, symbol="AAPL", times=1, seconds=90, back=1101),
    )
    async with gateway_with(*rules, clock=clock) as gateway, host_requests(gateway) as host:
        asking = [asyncio.create_task(host.week("MSFT")), asyncio.create_task(host.week("AAPL"))]
        await eventually(lambda: host.connection.link is Link.IB_DOWN)
        clock.advance(90)
        assert await asyncio.gather(*asking) == [FailureKind.LINK_LOST] * 2
        await host.up()
        assert isinstance(await host.week(), list)


@pytest.mark.parametrize(
    ("rule", "name", "kind"),
    [
        (FarmRule(on=HISTORY, times=1, seconds=60), "ushmds", FailureKind.SERVICE_TROUBLE),
        (FarmRule(on=HISTORY, times=1, seconds=60, requests="silent"), "ushmds", FailureKind.TIMEOUT),
        (FarmRule(on=HISTORY, times=1, seconds=60, farm="market"), "usfarm", None),
        (FarmRule(on=HISTORY, times=1, seconds=60, farm="secdef"), "secdefil", None),
    ],
)
async def test_a_broken_farm_fails_what_depends_on_it_until_it_is_well(
    rule: FarmRule, name: str, kind: FailureKind | None
) -> None:
    clock = FakeClock()
    async with gateway_with(rule, clock=clock) as gateway, host_requests(gateway) as host:
        for _ in range(2):
            outcome = await (host.in_vain(host.week()) if kind is FailureKind.TIMEOUT else host.week())
            assert outcome is kind if kind else isinstance(outcome, list)
        assert farms(host) == {"usfarm": True, "ushmds": True, "secdefil": True} | {name: False}
        assert await host.contract() == (FailureKind.SERVICE_TROUBLE if name == "secdefil" else "AAPL")
        clock.advance(60)
        await eventually(lambda: farms(host)[name])
        assert isinstance(await host.week(), list)
        assert await host.contract() == "AAPL"


async def test_who_comes_during_a_trouble_is_told_of_it() -> None:
    clock = FakeClock()
    async with gateway_with(FarmRule(on=START, times=1, seconds=60), clock=clock) as gateway:
        assert await opening(gateway) == ["2104", "2158", "2105"]
        await eventually(lambda: not gateway.client_ids)
        assert await opening(gateway) == ["2104", "2158", "2105"]
        await eventually(lambda: not gateway.client_ids)
        clock.advance(60)
        await asyncio.sleep(0)
        assert await opening(gateway) == ["2104", "2106", "2158"]


@pytest.mark.parametrize(
    "rule",
    [
        DisconnectRule(on=HANDSHAKE, times=1),
        AbortRule(on=HANDSHAKE, times=1),
        CutRule(on=HANDSHAKE, size=6, times=1),
        SilentRule(on=HANDSHAKE, times=1),
        MalformedRule(on=HANDSHAKE, damage="non_int_id", times=1),
        MalformedRule(on=HANDSHAKE, damage="huge_len", times=1),
        DisconnectRule(on=START, times=1),
        AbortRule(on=START, times=1),
        CutRule(on=START, times=1),
        SilentRule(on=START, times=1),
        ErrorRule(on=START, code=326, text="Unable to connect as the client id is already in use.", times=1),
    ],
    ids=lambda rule: f"{rule.action} {rule.on}",
)
async def test_a_greeting_or_start_that_fails_is_tried_again(rule: FaultRule) -> None:
    async with gateway_with(rule) as gateway, host_requests(gateway, connect_timeout_seconds=0.4) as host:
        assert [fired.action for fired in gateway.journal.fired] == [rule.action]
        assert isinstance(await host.week(), list)


@pytest.mark.parametrize("on", [HANDSHAKE, START])
async def test_a_greeting_or_start_may_be_slow(on: int) -> None:
    clock = FakeClock()
    rules = (DelayRule(on=on, times=1, seconds=3), DripRule(on=on, nth=2, seconds=1, size=10))
    async with gateway_with(*rules, clock=clock) as gateway:
        for _ in range(2):
            codes = asyncio.create_task(opening(gateway))
            await eventually(lambda: clock.sleeping)
            assert not codes.done()
            while not codes.done():
                clock.advance(1)
                await asyncio.sleep(0)
            assert await codes == ["2104", "2106", "2158"]
            await eventually(lambda: not gateway.client_ids)


async def test_an_id_stays_taken_after_its_client_has_left() -> None:
    clock = FakeClock()
    rule = ZombieClientIdRule(on=START, times=1, seconds=30)
    async with gateway_with(rule, clock=clock) as gateway:
        async with host_requests(gateway) as host:
            assert await host.time() == NOW
        await eventually(lambda: clock.sleeping)
        async with host_requests(gateway) as host:
            assert host.connection.picture.client_id == 18
        await eventually(lambda: gateway.client_ids == {17})
        clock.advance(30)
        await eventually(lambda: not gateway.client_ids)
        async with host_requests(gateway) as host:
            assert host.connection.picture.client_id == 17


async def test_the_gateway_stops_in_the_middle_of_everything() -> None:
    rules = (
        DelayRule(on=HISTORY, symbol="AAPL", seconds=600),
        ConnectivityRule(on=HISTORY, symbol="MSFT", seconds=600, back=1102),
        SilentRule(on=HISTORY, symbol="IBM"),
        DelayRule(on=Inbound.CURRENT_TIME, seconds=600),
    )
    async with gateway_with(*rules) as gateway:
        async with host_requests(gateway) as host:
            asking = [asyncio.create_task(host.week(symbol)) for symbol in ("AAPL", "IBM", "MSFT")]
            asking_time = asyncio.create_task(host.time())
            await eventually(lambda: len(gateway.journal.fired) == 4)
        assert await asyncio.gather(*asking, asking_time) == [FailureKind.DISCONNECTED] * 4
