"""Generated bars of less than a day, asked for with the real client library."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES, RECORDED_BAR_SIZES, Bar
from services.ib_host.replay.market import NEW_YORK
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.intraday import IntradayHistory
from tests.integration.replay.conftest import Client, Connect
from tests.support.gateway_library import library

DATA = "generated:XYZ,AAPL?seed=7&days=6&start=2024-03-07&gaps=0.03&split=AAPL:2024-03-12:2"
XYZ = library.Stock("XYZ", "SMART", "USD")
APPLE = library.Stock("AAPL", "SMART", "USD")
MINUTES = {text: size for text, size in INTRADAY_BAR_SIZES.items() if size.seconds >= 60}


@pytest.fixture
async def generated() -> AsyncIterator[ReplayServer]:
    """A gateway that replays generated bars of six sessions, one of them the first of summer time."""
    async with ReplayServer(ReplaySettings(port=0, data=DATA)) as server:
        yield server


def said(what: str = "TRADES", size: str = "1 min", *, symbol: str = "XYZ", use_rth: bool = True) -> Sequence[Bar]:
    """Return what the generator says, asked anew."""
    history = open_history(DATA)
    assert isinstance(history, IntradayHistory)
    kind = RECORDED_BAR_SIZES.get(size) or INTRADAY_BAR_SIZES[size]
    return history.bars(symbol, kind, what, use_rth=use_rth)


def served(bars: Sequence[Any]) -> list[tuple[object, ...]]:
    return [(b.date, b.open, b.high, b.low, b.close, int(b.volume), b.average, b.barCount) for b in bars]


def expected(bars: Sequence[Bar]) -> list[tuple[object, ...]]:
    return [(b.start or b.session, b.open, b.high, b.low, b.close, b.volume, b.average, b.count) for b in bars]


async def ask(
    client: Client, duration: str, size: str = "1 min", *, use_rth: bool = True, date_format: int = 2, **more: Any
) -> list[Any]:
    return list(
        await client.ib.reqHistoricalDataAsync(
            more.get("contract", XYZ),
            endDateTime=more.get("end", ""),
            durationStr=duration,
            barSizeSetting=size,
            whatToShow=more.get("what", "TRADES"),
            useRTH=use_rth,
            formatDate=date_format,
        )
    )


@pytest.mark.parametrize("use_rth", [True, False])
@pytest.mark.parametrize("size", [*MINUTES, "1 day", "1W"])
async def test_bars_of_every_size_are_what_the_generator_says(
    generated: ReplayServer, connect: Connect, size: str, use_rth: bool
) -> None:
    client = await connect(generated)
    bars = await ask(client, "1 M", size, use_rth=use_rth)
    assert served(bars) == expected(said(size=size, use_rth=use_rth))
    assert client.refusals == []


@pytest.mark.parametrize("use_rth", [True, False])
@pytest.mark.parametrize(
    ("size", "duration"),
    [("1 min", "1 D"), ("1 min", "14400 S"), ("5 mins", "28800 S"), ("1 hour", "2 D"), ("1 day", "2 D")],
)
async def test_ranges_join_without_gap_or_double(
    generated: ReplayServer, connect: Connect, size: str, duration: str, use_rth: bool
) -> None:
    client = await connect(generated)
    end, chunks = generated.history.end, []
    while end > datetime(2024, 3, 7, 8, tzinfo=UTC):
        bars = await ask(client, duration, size, use_rth=use_rth, end=f"{end:%Y%m%d-%H:%M:%S}")
        chunks.append(bars)
        if duration.endswith("S"):
            end -= timedelta(seconds=int(duration.split(maxsplit=1)[0]))
        else:
            end -= timedelta(days=int(duration.split(maxsplit=1)[0]))
    by_time = {bar.date: bar for chunk in reversed(chunks) for bar in chunk}
    if duration.endswith("S"):
        assert len(by_time) == sum(len(chunk) for chunk in chunks)
    assert served([by_time[moment] for moment in sorted(by_time)]) == expected(said(size=size, use_rth=use_rth))


async def test_a_trading_day_reaches_back_to_the_same_time_of_the_session_before(
    generated: ReplayServer, connect: Connect
) -> None:
    client = await connect(generated)
    bars = await ask(client, "1 D", use_rth=False, end="20240311 10:00:00 US/Eastern")
    first = datetime(2024, 3, 8, 10, tzinfo=NEW_YORK)
    assert served(bars) == expected(
        [bar for bar in said(use_rth=False) if bar.start and first <= bar.start < datetime(2024, 3, 11, 14, tzinfo=UTC)]
    )


async def test_times_come_in_both_formats(generated: ReplayServer, connect: Connect) -> None:
    client = await connect(generated, client_id=1)
    old = await connect(generated, client_id=2, max_version=157)
    end = "20240307 09:35:00 US/Eastern"
    [epoch, *_] = await ask(client, "300 S", end=end)
    [local, *_] = await ask(client, "300 S", end=end, date_format=1)
    [naive, *_] = await ask(old, "300 S", end=end, date_format=1)
    assert epoch.date == local.date == datetime(2024, 3, 7, 14, 30, tzinfo=UTC)
    assert local.date.tzinfo == ZoneInfo("US/Eastern")
    assert naive.date == datetime(2024, 3, 7, 9, 30)  # noqa: DTZ001 -- old clients are told the local clock alone


async def test_quotes_have_no_volume(generated: ReplayServer, connect: Connect) -> None:
    client = await connect(generated)
    bars = await ask(client, "1 D", "5 mins", what="MIDPOINT")
    assert {(bar.volume, bar.average, bar.barCount) for bar in bars} == {(-1, -1, -1)}
    assert [bar.close for bar in bars] == [bar.close for bar in await ask(client, "1 D", "5 mins")]


async def test_a_split_that_has_not_happened_yet_is_not_applied(connect: Connect) -> None:
    now = datetime(2024, 3, 9, tzinfo=UTC)
    after = {bar.start: bar for bar in said(symbol="AAPL")}
    async with ReplayServer(ReplaySettings(port=0, data=DATA, now=now)) as gateway:
        client = await connect(gateway)
        before = await ask(client, "1 M", contract=APPLE)
        adjusted = await ask(client, "1 M", contract=APPLE, what="ADJUSTED_LAST")
    assert before[-1].date < now
    assert len(before) > 700
    assert all((bar.close, bar.volume * 2) == (2 * after[bar.date].close, after[bar.date].volume) for bar in before)
    assert all(bar.close == after[bar.date].close for bar in adjusted)


async def test_nothing_is_known_before_its_time(connect: Connect) -> None:
    async with ReplayServer(ReplaySettings(port=0, data=DATA, now=datetime(2024, 3, 8, 15, tzinfo=UTC))) as gateway:
        client = await connect(gateway)
        minutes = await ask(client, "1 M", use_rth=False)
        days = await ask(client, "1 M", "1 day")
    assert minutes[-1].date == datetime(2024, 3, 8, 14, 59, tzinfo=UTC)
    assert [day.date for day in days] == [date(2024, 3, 7)]


@pytest.mark.parametrize(("use_rth", "hour"), [(True, (14, 30)), (False, (9, 0))])
async def test_the_head_timestamp_depends_on_the_hours(
    generated: ReplayServer, connect: Connect, use_rth: bool, hour: tuple[int, int]
) -> None:
    client = await connect(generated)
    head = await client.ib.reqHeadTimeStampAsync(XYZ, "TRADES", useRTH=use_rth, formatDate=2)
    assert head == datetime(2024, 3, 7, *hour, tzinfo=UTC)


async def test_the_schedule_names_the_sessions(generated: ReplayServer, connect: Connect) -> None:
    client = await connect(generated)
    schedule = await client.ib.reqHistoricalScheduleAsync(XYZ, numDays=3, endDateTime="20240312 23:00:00 US/Eastern")
    assert schedule.timeZone == "US/Eastern"
    assert [(s.refDate, s.startDateTime, s.endDateTime) for s in schedule.sessions] == [
        (day, f"{day}-09:30:00", f"{day}-16:00:00") for day in ("20240308", "20240311", "20240312")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ({"size": "90 mins"}, 321, "Historical data bar size setting is invalid."),
        ({"size": "1 hour", "duration": "1800 S"}, 162, "invalid step: 1 hour"),
        ({"size": "1 min", "what": "SCHEDULE"}, 321, "Only a bar size of 1 day is supported with SCHEDULE"),
        ({"end": "20240310 23:00:00 US/Eastern", "duration": "86400 S"}, 162, "HMDS query returned no data: XYZ@SMART"),
    ],
)
async def test_what_can_not_be_served_is_refused(
    generated: ReplayServer, connect: Connect, arguments: dict[str, Any], code: int, text: str
) -> None:
    client = await connect(generated)
    assert await ask(client, **{"duration": "1 D", **arguments}) == []
    [(refused, words)] = client.refusals
    assert refused == code
    assert text in words


async def test_a_folder_is_served_with_its_contracts_and_their_local_clock(tmp_path: Path, connect: Connect) -> None:
    (tmp_path / "EUR_5mins.csv").write_text(
        "time,open,high,low,close,volume\n2024-03-11T23:55:00Z,1.1,1.2,1.0,1.15,0\n2024-03-12T08:00:00Z,1,1,1,1,0\n"
    )
    (tmp_path / "instruments.toml").write_text(
        "[EUR]\nsecurity_type = 'CASH'\ntime_zone = 'Europe/Berlin'\nregular = '00:00-24:00'\n"
    )
    async with ReplayServer(ReplaySettings(port=0, data=str(tmp_path))) as gateway:
        client = await connect(gateway)
        euro = library.Forex("EURUSD")
        [details] = await client.ib.reqContractDetailsAsync(euro)
        first, second = await ask(client, "2 D", "5 mins", what="MIDPOINT", contract=euro, date_format=1)
        [day] = await ask(client, "1 W", "1 day", what="MIDPOINT", contract=euro)
    assert (details.contract.secType, details.contract.exchange, details.timeZoneId) == (
        *("CASH", "IDEALPRO"),
        "Europe/Berlin",
    )
    assert details.liquidHours.startswith("20240313:0000-20240314:0000;")
    assert (first.date, first.date.tzinfo) == (datetime(2024, 3, 11, 23, 55, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert second.date == datetime(2024, 3, 12, 8, tzinfo=UTC)
    assert (day.date, day.open, day.close, day.high, day.low) == (date(2024, 3, 12), 1.1, 1, 1.2, 1)
