"""The unmodified client library and the gateway, a process of its own: everything by the library's own requests."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, tzinfo
from typing import Any

import pytest

from tests.integration.replay.conftest import Client
from tests.support.gateway_library import NEWEST, library
from tests.support.service_process import ServiceProcess

APPLE = library.Stock("AAPL", "SMART", "USD")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    process = ServiceProcess("replay-gateway", tmp_path_factory.mktemp("gateway"))
    process.start()
    yield process.port
    process.kill()


@pytest.fixture(params=sorted({157, 176, NEWEST}))
async def client(port: int, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    client = Client()
    client.ib.client.MaxClientVersion = request.param
    await client.ib.connectAsync("127.0.0.1", port, clientId=1, readonly=True, timeout=60)
    assert client.ib.client.serverVersion() == request.param
    yield client
    await client.disconnect()


async def test_it_tells_contracts(client: Client) -> None:
    [details] = await client.ib.reqContractDetailsAsync(APPLE)
    assert (details.contract.conId, details.timeZoneId, details.minTick) == (265598, "US/Eastern", 0.01)
    [qualified] = await client.ib.qualifyContractsAsync(library.Stock("IBM", "SMART", "USD"))
    assert qualified.primaryExchange == "NYSE"
    samples = await client.ib.reqMatchingSymbolsAsync("AA")
    assert [sample.contract.symbol for sample in samples] == ["AAPL"]


async def test_it_tells_the_time(client: Client) -> None:
    assert await client.ib.reqCurrentTimeAsync() == datetime(2013, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(("date_format", "zone"), [(1, None), (2, UTC)])
async def test_it_tells_where_history_begins(client: Client, date_format: int, zone: tzinfo | None) -> None:
    head = await client.ib.reqHeadTimeStampAsync(APPLE, "TRADES", useRTH=True, formatDate=date_format)
    assert (head.tzinfo, head.replace(tzinfo=UTC)) == (zone, datetime(2000, 3, 1, 14, 30, tzinfo=UTC))


@pytest.mark.parametrize("size", ["1 day", "1W", "1M"])
async def test_it_serves_all_history_in_one_answer(client: Client, size: str) -> None:
    bars = await client.bars(APPLE, "14 Y", size)
    assert (bars[0].date.year, bars[-1].date.year, len(bars)) == (2000, 2013, {"1 day": 3270, "1W": 679}.get(size, 157))
    assert [bar.date for bar in bars] == sorted({bar.date for bar in bars})
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


async def test_an_end_may_be_a_date_a_time_or_nothing(client: Client) -> None:
    ends: list[Any] = ["", date(2013, 3, 1), datetime(2013, 3, 2, tzinfo=UTC), "20130301 19:00:00 US/Eastern"]
    answers = await asyncio.gather(*(client.bars(APPLE, "5 D", end=end) for end in ends))
    assert [[bar.date.isoformat() for bar in bars] for bars in answers] == [
        ["2013-02-25", "2013-02-26", "2013-02-27", "2013-02-28", "2013-03-01"]
    ] * len(ends)


async def test_it_tells_sessions(client: Client) -> None:
    schedule = await client.ib.reqHistoricalScheduleAsync(APPLE, 5)
    assert (schedule.timeZone, [session.refDate for session in schedule.sessions]) == (
        "US/Eastern",
        ["20130225", "20130226", "20130227", "20130228", "20130301"],
    )
    assert (schedule.sessions[0].startDateTime, schedule.sessions[0].endDateTime) == (
        "20130225-09:30:00",
        "20130225-16:00:00",
    )


async def test_bars_can_be_kept_up_to_date(client: Client) -> None:
    bars = await client.ib.reqHistoricalDataAsync(
        APPLE, "", "5 D", "1 day", "TRADES", useRTH=True, formatDate=2, keepUpToDate=True
    )
    assert len(bars) == 5
    client.ib.cancelHistoricalData(bars)
    await client.ib.reqCurrentTimeAsync()
    assert [code for code, _ in client.refusals] == [162]


async def test_refusals_are_told_once(client: Client) -> None:
    assert await client.bars(library.Stock("NONE", "SMART", "USD"), "1 Y") == []
    assert await client.bars(APPLE, "1 D", end="20000101-00:00:00") == []
    assert await client.bars(APPLE, "1 Q") == []
    assert [code for code, _ in client.refusals] == [200, 162, 321]
