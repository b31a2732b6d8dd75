"""Connections that look open and are of no use are found and replaced; others are left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from random import Random

from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.notices import Link
from services.ib_host.replay.faults.client_ids import ZombieClientIdRule
from services.ib_host.replay.messages import Inbound
from services.ib_host.requests.failures import FailureKind
from services.ib_host.requests.heartbeat import Heartbeat
from services.ib_host.requests.open_requests import OpenRequests
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.faulty_gateway import FaultyGateway, silence
from tests.support.faulty_requests import HostRequests, host_requests

HISTORY, TIME, START = Inbound.HISTORICAL_DATA, Inbound.CURRENT_TIME, Inbound.START_API


@asynccontextmanager
async def heartbeat(host: HostRequests, *, interval_seconds: float = 3_600.0) -> AsyncIterator[None]:
    beat = Heartbeat(
        host.connection,
        host.requests,
        clock=host.clock,
        interval_seconds=interval_seconds,
    )
    await beat.start()
    try:
        yield
    finally:
        await beat.stop()


async def ask_for_the_time_in_vain(host: HostRequests, gateway: FaultyGateway, *, times: int) -> None:
    """Let the heartbeat wait for each of its first questions until it gives it up."""
    for time in range(1, times + 1):
        await eventually(partial(_asked_for_the_time, gateway, time))
        host.clock.run_ahead(60.0)


async def test_a_gateway_that_does_not_even_tell_its_time_is_left() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(TIME, silence, silence)
        async with heartbeat(host):
            await ask_for_the_time_in_vain(host, gateway, times=2)
            await eventually(lambda: len(gateway.requests(START)) == 2)
            await host.up()
            await eventually(lambda: len(gateway.requests(TIME)) == 3)
            assert host.connection.picture.clock is not None


async def test_a_request_without_an_answer_makes_it_look_at_once_and_stay_if_the_gateway_is_there() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host, heartbeat(host):
        await eventually(lambda: host.connection.picture.clock)
        gateway.on(HISTORY, silence)
        assert await host.in_vain(host.week()) is FailureKind.TIMEOUT
        await eventually(lambda: len(gateway.requests(TIME)) == 2)
        assert isinstance(await host.week(), list)
        assert len(gateway.requests(START)) == 1


async def test_a_gateway_that_dies_while_ib_is_away_is_noticed() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await eventually(lambda: host.connection.link is Link.IB_DOWN)
        gateway.on(TIME, silence, silence)
        async with heartbeat(host):
            await ask_for_the_time_in_vain(host, gateway, times=2)
            await eventually(lambda: len(gateway.requests(START)) == 2)


async def test_a_client_id_that_the_gateway_still_holds_is_left_alone() -> None:
    async with FaultyGateway() as gateway:
        gateway.on(START, lambda message: ZombieClientIdRule(on=message, seconds=3_600.0))
        async with host_requests(gateway) as host:
            assert host.connection.picture.client_id == 17
            for starts in (3, 4):
                host.connection.drop("The test drops it.")
                await eventually(partial(_started, gateway, starts))
                await host.up()
                assert host.connection.picture.client_id == 18
            ids = [fields[2] for fields in gateway.requests(START)]
    # The second time 17 is not even tried: it was refused a moment ago.
    assert ids == ["17", "17", "18", "18"]


def _asked_for_the_time(gateway: FaultyGateway, times: int) -> bool:
    return len(gateway.requests(TIME)) == times


def _started(gateway: FaultyGateway, times: int) -> bool:
    return len(gateway.requests(START)) == times


async def test_a_client_id_that_is_refused_only_after_the_host_was_let_in_is_given_up_with_its_connection() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, silence)
        asking = asyncio.create_task(host.week())
        await eventually(lambda: gateway.open_queries)
        gateway.tell(326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
        assert await asking is FailureKind.DISCONNECTED
        await eventually(lambda: gateway.client_ids == {18})
        await host.up()
        assert host.connection.picture.client_id == 18


async def test_a_gateway_that_closes_each_connection_soon_is_asked_ever_less() -> None:
    clock = FakeClock()
    async with FaultyGateway() as gateway:
        connection = GatewayConnection(
            GatewayAddress("127.0.0.1", gateway.port),
            client_id=1,
            open_requests=OpenRequests(),
            clock=clock,
            backoff=Backoff(random=Random(1)),
            connect_timeout_seconds=60.0,
        )
        await connection.start()
        delays: list[float] = []
        for seconds in (1.0, 1.0, 1.0, 31.0):
            await eventually(lambda: connection.link is Link.UP)
            clock.advance(seconds)
            connection.drop("The test drops it.")
            await eventually(lambda: connection.picture.retry_in is not None and clock.sleeping)
            retry_in = connection.picture.retry_in
            assert retry_in is not None
            delays.append(retry_in.total_seconds())
            clock.advance(delays[-1] + 0.001)
        await connection.stop()
    assert delays[0] < delays[1] < delays[2]
    assert delays[3] <= 1.25


async def test_a_reset_is_told_while_the_gateway_is_away() -> None:
    clock = FakeClock(datetime(2024, 1, 9, 5, 20, tzinfo=UTC))
    connection = GatewayConnection(
        GatewayAddress("127.0.0.1", 9),
        client_id=1,
        open_requests=OpenRequests(),
        clock=clock,
        backoff=Backoff(),
        connect_timeout_seconds=60.0,
    )
    told: list[str] = []
    await connection.start()
    waiting = asyncio.create_task(connection.wait_until_up(told.append))
    await eventually(lambda: "does not answer" in " ".join(told))
    assert told[-1].startswith("IB resets its North American servers until 01:45 EST; gateway 127.0.0.1:9 does not")
    waiting.cancel()
    await asyncio.wait({waiting})
    await connection.stop()
