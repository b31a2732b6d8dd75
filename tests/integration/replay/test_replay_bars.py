"""Bars, asked for with the real client library."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.ib_host.replay.bars import Bar, BarSize
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Client, Connect, RawClient
from tests.support.gateway_library import library
from tests.support.recorded_bars import DailyBar, recorded_bars

APPLE = library.Stock("AAPL", "SMART", "USD")


def as_served(bars: list[Any]) -> list[Bar]:
    return [
        Bar(bar.date, bar.open, bar.high, bar.low, bar.close, int(bar.volume), bar.average, bar.barCount)
        for bar in bars
    ]


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
async def test_every_recorded_bar_arrives_adjusted_for_splits(
    gateway: ReplayServer, connect: Connect, symbol: str
) -> None:
    client = await connect(gateway)
    bars = await client.bars(library.Stock(symbol, "SMART", "USD"), "20 Y")
    received = [
        DailyBar(
            datetime(bar.date.year, bar.date.month, bar.date.day, tzinfo=UTC),
            *(bar.open, bar.high, bar.low, bar.close, bar.volume),
        )
        for bar in bars
    ]
    assert received == recorded_bars(symbol)
    assert client.refusals == []


async def test_history_in_chunks_is_the_same_history(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    end = datetime(2013, 3, 2, tzinfo=UTC)
    chunks: list[list[Any]] = []
    while not chunks or chunks[-1][0].date > date(2000, 3, 1):
        chunks.append(await client.bars(APPLE, "2 Y", end=f"{end:%Y%m%d-%H:%M:%S}"))
        end -= timedelta(days=730)
    by_date = {bar.date: bar for chunk in chunks for bar in chunk}
    assert as_served([by_date[day] for day in sorted(by_date)]) == list(gateway.history.bars("AAPL"))


@pytest.mark.parametrize(
    ("asked", "size"),
    [("1W", BarSize.WEEK), ("1 week", BarSize.WEEK), ("1M", BarSize.MONTH), ("1 month", BarSize.MONTH)],
)
@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK", "ADJUSTED_LAST"])
async def test_longer_bars_and_other_prices_arrive_as_they_are_computed(
    gateway: ReplayServer, connect: Connect, asked: str, size: BarSize, what: str
) -> None:
    client = await connect(gateway)
    bars = await client.bars(library.Stock("FB", "SMART", "USD"), "2 Y", asked, what)
    assert as_served(bars) == list(gateway.history.bars("FB", size, what))


@pytest.mark.parametrize(
    ("end", "duration", "first", "last", "count"),
    [
        ("", "1 D", date(2013, 3, 1), date(2013, 3, 1), 1),
        ("20120301 00:00:00 UTC", "1 D", date(2012, 2, 29), date(2012, 2, 29), 1),
        ("20120229 23:59:59 US/Eastern", "3 D", date(2012, 2, 27), date(2012, 2, 29), 3),
        ("20120229 15:59:59 US/Eastern", "3 D", date(2012, 2, 24), date(2012, 2, 28), 3),
        ("20120218-12:00:00", "5 D", date(2012, 2, 13), date(2012, 2, 17), 5),
        ("20120301-00:00:00", "2 W", date(2012, 2, 16), date(2012, 2, 29), 9),
        ("20120301-00:00:00", "1 M", date(2012, 1, 30), date(2012, 2, 29), 22),
        ("20120301-00:00:00", "86400 S", date(2012, 2, 29), date(2012, 2, 29), 1),
        ("20300101-00:00:00", "2 D", date(2013, 2, 28), date(2013, 3, 1), 2),
        ("20000303-00:00:00", "365 D", date(2000, 3, 1), date(2000, 3, 2), 2),
    ],
)
async def test_bars_reach_back_from_the_end_date(
    gateway: ReplayServer, connect: Connect, end: str, duration: str, first: date, last: date, count: int
) -> None:
    client = await connect(gateway)
    bars = await client.bars(APPLE, duration, end=end)
    assert (bars[0].date, bars[-1].date, len(bars)) == (first, last, count)
    assert client.refusals == []


async def test_an_empty_end_date_is_the_replay_clocks_present(connect: Connect) -> None:
    async with ReplayServer(ReplaySettings(port=0, now=datetime(2005, 2, 26, tzinfo=UTC))) as gateway:
        client = await connect(gateway)
        bars = await client.bars(APPLE, "20 Y")
        assert as_served(bars) == list(gateway.history.bars("AAPL", as_of=datetime(2005, 2, 26, tzinfo=UTC)))
        assert bars[-1].date == date(2005, 2, 25)
        assert bars[-1].close == 88.99


async def test_dates_come_as_dates_in_both_formats(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    for date_format in (1, 2):
        bars = await client.ib.reqHistoricalDataAsync(
            APPLE, "", "1 D", "1 day", "TRADES", useRTH=True, formatDate=date_format
        )
        assert [bar.date for bar in bars] == [date(2013, 3, 1)]


async def test_an_end_date_without_a_zone_is_answered_with_a_warning(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    [bar] = await client.bars(APPLE, "1 D", end="20120229 16:00:00")
    assert bar.date == date(2012, 2, 29)
    assert [code for code, _ in client.refusals] == [2174]


async def test_the_answer_names_the_window(gateway: ReplayServer, raw: RawClient) -> None:
    await raw.start()
    contract = (0, "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "", 0)
    raw.send(20, 5, *contract, "20120301 00:00:00 UTC", "1 day", "1 W", 1, "TRADES", 2, 0, "")
    answer = await raw.receive()
    assert answer[:5] == ["17", "5", "20120222 19:00:00 US/Eastern", "20120229 19:00:00 US/Eastern", "5"]
    assert answer[5:7] == ["20120223", str(gateway.history.bars("AAPL")[-256].open)]
    assert len(answer) == 5 + 5 * 8


REFUSED = [
    ({"size": "1 hour"}, 321, "cause - Only daily history was recorded: use 1 day, 1W or 1M instead of 1 hour"),
    ({"size": "1 sec"}, 321, "cause - Historical data bar size setting is invalid. Legal ones are: 1 secs, 5 secs"),
    ({"duration": "1 Q"}, 321, "cause - Historical data duration '1 Q' is invalid"),
    ({"duration": ""}, 321, "cause - Historical data duration '' is invalid"),
    ({"duration": "366 D"}, 321, "Historical data requests for durations longer than 365 days must be made in years."),
    ({"duration": "3 D", "size": "1W"}, 162, "Historical Market Data Service error message:invalid step: 1W"),
    ({"duration": "60 S"}, 162, "Historical Market Data Service error message:invalid step: 1 day"),
    ({"what": "NOISE"}, 321, "'NOISE' is not something to show"),
    (
        {"what": "BID_ASK"},
        162,
        "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Bid_ask",
    ),
    ({"end": "yesterday"}, 10314, "End Date/Time: The date, time, or time-zone entered is invalid."),
    ({"what": "ADJUSTED_LAST", "end": "20120229-00:00:00"}, 321, "End Date not supported with adjusted last"),
    (
        {"end": "20000301-00:00:00"},
        162,
        "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Trades",
    ),
    (
        {"end": "00010101-00:00:01", "duration": "86400 S"},
        162,
        "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Trades",
    ),
    (
        {"contract": library.Stock("TSLA", "SMART", "USD")},
        200,
        "No security definition has been found for the request",
    ),
    ({"contract": library.Contract(conId=265598)}, 321, "cause - Please enter exchange"),
    ({"contract": library.Contract(secType="BAG", symbol="AAPL", exchange="SMART")}, 200, "No security definition"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), REFUSED)
async def test_a_request_that_can_not_be_served_is_refused_as_ib_does(
    gateway: ReplayServer, connect: Connect, arguments: dict[str, Any], code: int, text: str
) -> None:
    client = await connect(gateway)
    bars = await client.bars(**{"contract": APPLE, "duration": "1 Y", **arguments})
    assert bars == []
    assert [refused for refused, _ in client.refusals] == [code]
    assert text in client.refusals[0][1]
    assert gateway.open_queries == frozenset()


async def test_the_journal_has_every_request_with_its_client(gateway: ReplayServer, connect: Connect) -> None:
    clients: list[Client] = [await connect(gateway, client_id=client_id) for client_id in (3, 4)]
    for client in clients:
        await client.bars(APPLE, "1 Y", end="20120229-00:00:00")
    frames = gateway.journal.of(Inbound.HISTORICAL_DATA)
    assert [frame.client_id for frame in frames] == [3, 4]
    assert all("20120229-00:00:00" in frame.fields for frame in frames)
    assert frames[0].time <= frames[1].time <= datetime.now(UTC)
    assert len(gateway.journal) == len(list(gateway.journal))
