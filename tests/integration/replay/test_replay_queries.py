"""Queries that take time: they can be watched, cancelled and lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Connect
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.gateway_library import library
from tests.support.recorded_bars import recorded_bars

APPLE = library.Stock("AAPL", "SMART", "USD")
YEAR = sum(bar.time > datetime(2012, 3, 1, tzinfo=UTC) for bar in recorded_bars("AAPL"))


@pytest.fixture
async def slow_gateway() -> AsyncIterator[ReplayServer]:
    """A gateway whose bars do not arrive within a test."""
    async with ReplayServer(ReplaySettings(port=0, latency_ms=60_000)) as server:
        yield server


async def test_bars_take_as_long_as_was_set_and_nothing_else_waits_for_them(connect: Connect) -> None:
    clock = FakeClock()
    async with ReplayServer(ReplaySettings(port=0, latency_ms=200), wall_clock=clock) as gateway:
        client = await connect(gateway)
        answers = [asyncio.create_task(client.bars(APPLE, "1 Y")) for _ in range(3)]
        await eventually(lambda: len(gateway.open_queries) == 3)
        await eventually(lambda: clock.sleeping == 3)
        clock.advance(0.19)
        await client.ib.reqCurrentTimeAsync()
        assert not any(answer.done() for answer in answers)
        clock.advance(0.01)
        assert [len(bars) for bars in await asyncio.gather(*answers)] == [YEAR] * 3
        assert gateway.open_queries == frozenset()


async def test_a_cancelled_query_is_confirmed_and_never_answered(slow_gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(slow_gateway)
    request_id = client.ib.client._reqIdSeq
    answer = asyncio.create_task(client.bars(APPLE, "1 Y"))
    await eventually(lambda: slow_gateway.open_queries == {(1, request_id)})
    client.ib.client.cancelHistoricalData(request_id)
    assert await answer == []
    assert client.refusals == [
        (162, f"Historical Market Data Service error message:API historical data query cancelled: {request_id}")
    ]
    assert slow_gateway.open_queries == frozenset()


async def test_cancelling_what_is_not_open_is_refused(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    client.ib.client.cancelHistoricalData(77)
    await client.ib.reqCurrentTimeAsync()
    assert client.errors[-1] == (77, 366, "No historical data query found for ticker id:77")


async def test_the_id_of_an_open_query_can_not_be_used_again(slow_gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(slow_gateway)
    for _ in range(2):
        client.ib.client.reqHistoricalData(
            55, APPLE, "", "1 Y", "1 day", "TRADES", useRTH=True, formatDate=2, keepUpToDate=False, chartOptions=[]
        )
    await client.ib.reqCurrentTimeAsync()
    assert client.errors[-1] == (55, 322, "Error processing request.-'bH' : cause - Duplicate ticker id")
    assert slow_gateway.open_queries == {(1, 55)}


async def test_the_same_id_is_free_for_another_client(slow_gateway: ReplayServer, connect: Connect) -> None:
    for client_id in (1, 2):
        client = await connect(slow_gateway, client_id=client_id)
        client.ib.client.reqHistoricalData(
            55, APPLE, "", "1 Y", "1 day", "TRADES", useRTH=True, formatDate=2, keepUpToDate=False, chartOptions=[]
        )
    await eventually(lambda: slow_gateway.open_queries == {(1, 55), (2, 55)})


async def test_queries_end_with_the_client(slow_gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(slow_gateway)
    pending = asyncio.create_task(client.bars(APPLE, "1 Y"))
    await eventually(lambda: slow_gateway.open_queries)
    client.ib.client.conn.transport.abort()
    await eventually(lambda: not slow_gateway.open_queries)
    with pytest.raises(ConnectionError):
        await pending


async def test_a_query_that_is_kept_up_to_date_stays_open_until_it_is_cancelled(
    gateway: ReplayServer, connect: Connect
) -> None:
    client = await connect(gateway)
    bars = await client.ib.reqHistoricalDataAsync(
        APPLE, "", "1 Y", "1 day", "TRADES", useRTH=True, formatDate=2, keepUpToDate=True
    )
    assert len(bars) == YEAR
    assert gateway.open_queries == {(1, bars.reqId)}
    client.ib.cancelHistoricalData(bars)
    await eventually(lambda: not gateway.open_queries)


async def test_only_the_present_can_be_kept_up_to_date(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    client.ib.client.reqHistoricalData(
        55,
        APPLE,
        "20120229-00:00:00",
        "1 Y",
        "1 day",
        "TRADES",
        useRTH=True,
        formatDate=2,
        keepUpToDate=True,
        chartOptions=[],
    )
    await client.ib.reqCurrentTimeAsync()
    assert client.errors[-1][:2] == (55, 321)
