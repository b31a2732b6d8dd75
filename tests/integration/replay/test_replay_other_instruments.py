"""Currencies, futures and indices, asked for with the real client library."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Connect
from tests.support.gateway_library import library

DATA = "generated:EUR.USD,ES.FUT,SPX.IND?days=12&start=2024-03-11&gaps=0"
NOW = datetime(2024, 3, 22, 0, tzinfo=UTC)
EURO = library.Forex("EURUSD")
JUNE = library.Future("ES", "202406", "CME")
ANY_MONTH = library.Future("ES", exchange="CME")
CONTINUOUS = library.ContFuture("ES", "CME")
INDEX = library.Index("SPX", "CBOE")


@pytest.fixture
async def served() -> AsyncIterator[ReplayServer]:
    """A gateway in the second of its weeks."""
    async with ReplayServer(ReplaySettings(port=0, data=DATA, now=NOW)) as server:
        yield server


@pytest.mark.parametrize(
    ("contract", "what", "size", "first", "count"),
    [
        (EURO, "MIDPOINT", "1 hour", datetime(2024, 3, 18, 21, 15, tzinfo=UTC), 3 * 24),
        (JUNE, "TRADES", "1 hour", datetime(2024, 3, 18, 22, tzinfo=UTC), 3 * 23),
        (CONTINUOUS, "TRADES", "1 hour", datetime(2024, 3, 18, 22, tzinfo=UTC), 3 * 23),
        (INDEX, "TRADES", "1 hour", datetime(2024, 3, 19, 13, 30, tzinfo=UTC), 3 * 7),
        (JUNE, "TRADES", "1 day", date(2024, 3, 19), 3),
    ],
    ids=lambda value: getattr(value, "symbol", str(value)),
)
async def test_bars_are_those_of_the_market(
    served: ReplayServer, connect: Connect, contract: Any, what: str, size: str, first: object, count: int
) -> None:
    client = await connect(served)
    bars = await client.ib.reqHistoricalDataAsync(
        contract, "" if contract is CONTINUOUS else "20240321-21:10:00", "3 D", size, what, useRTH=False, formatDate=2
    )
    if contract is CONTINUOUS:  # its request ends now, within the session of Friday
        bars = [bar for bar in bars if bar.date < datetime(2024, 3, 21, 22, tzinfo=UTC)]
        first = datetime(2024, 3, 19, 0, tzinfo=UTC)
        count -= 2
    assert (bars[0].date, len(bars)) == (first, count)


async def test_contract_details_tell_months_and_hours(served: ReplayServer, connect: Connect) -> None:
    client = await connect(served)
    details = await client.ib.reqContractDetailsAsync(ANY_MONTH)
    assert [one.contract.localSymbol for one in details] == ["ESH5", "ESM4", "ESU4", "ESZ4"]
    [june] = await client.ib.reqContractDetailsAsync(JUNE)
    assert (june.contract.lastTradeDateOrContractMonth, june.contract.multiplier) == ("20240621", "50")
    assert (june.contractMonth, june.minTick, june.timeZoneId, june.realExpirationDate) == (
        *("202406", 0.25, "US/Central"),
        "20240621",
    )
    assert june.tradingHours.split(";")[1:5] == [
        "20240323:CLOSED",
        "20240324:1700-20240325:1600",
        "20240325:1700-20240326:1600",
        "20240326:1700-20240327:1600",
    ]
    expired = library.Future("ES", "202403", "CME", includeExpired=True)
    assert [one.contract.localSymbol for one in await client.ib.reqContractDetailsAsync(expired)] == ["ESH4"]
    expired.includeExpired = False
    assert await client.ib.reqContractDetailsAsync(expired) == []


async def test_the_schedule_has_sessions_that_begin_the_evening_before(served: ReplayServer, connect: Connect) -> None:
    client = await connect(served)
    schedule = await client.ib.reqHistoricalScheduleAsync(EURO, numDays=2, endDateTime="20240319-22:00:00")
    assert [(one.refDate, one.startDateTime, one.endDateTime) for one in schedule.sessions] == [
        ("20240318", "20240317-17:15:00", "20240318-17:00:00"),
        ("20240319", "20240318-17:15:00", "20240319-17:00:00"),
    ]


@pytest.mark.parametrize(
    ("contract", "arguments", "code", "text"),
    [
        (EURO, {"what": "TRADES"}, 162, "No historical market data for EUR/CASH@FXSUBPIP Last 1d"),
        (CONTINUOUS, {"end": "20240320-00:00:00"}, 10339, "Setting end date/time for continuous future"),
        (ANY_MONTH, {}, 200, "The contract description specified for ES is ambiguous."),
        (JUNE, {"size": "5 secs", "duration": "3600 S", "end": "20230320-00:00:00"}, 162, "invalid step: 5 secs"),
    ],
    ids=["trades of a currency", "end of a continuous future", "no month", "old bars of seconds"],
)
async def test_what_markets_do_not_have_is_refused_in_ibs_words(
    served: ReplayServer, connect: Connect, contract: Any, arguments: dict[str, str], code: int, text: str
) -> None:
    client = await connect(served)
    assert await client.bars(contract, **{"duration": "1 D", **arguments}) == []
    [(refused, words)] = client.refusals
    assert (refused, text in words) == (code, True)


async def test_a_currency_has_a_head_timestamp_for_quotes_only(served: ReplayServer, connect: Connect) -> None:
    client = await connect(served)
    head = await client.ib.reqHeadTimeStampAsync(EURO, "MIDPOINT", useRTH=False, formatDate=2)
    assert head == datetime(2024, 3, 10, 21, 15, tzinfo=UTC)
    assert await client.ib.reqHeadTimeStampAsync(EURO, "TRADES", useRTH=False, formatDate=2) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("ES", [("ES", "FUT")]), ("eur", [("EUR", "CASH")]), ("E-mini", [("ES", "FUT")]), ("INDEX", [("SPX", "IND")])],
)
async def test_instruments_of_all_kinds_are_found_by_a_search(
    served: ReplayServer, connect: Connect, pattern: str, found: list[tuple[str, str]]
) -> None:
    client = await connect(served)
    samples = await client.ib.reqMatchingSymbolsAsync(pattern)
    assert [(sample.contract.symbol, sample.contract.secType) for sample in samples] == found
