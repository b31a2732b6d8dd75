"""Verdicts about loads over the wire: exactly the gaps of the gateway's bars, for instruments of all kinds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.replay.bars import IntradaySize
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.intraday import IntradayHistory
from services.ib_host.sessions.exchange_calendar import ExchangeCalendar
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import END as RECORDED_END
from tests.support.ib_host import START as RECORDED_START
from tests.support.ib_host import ib_host, load_spec, result_of

# Two weeks with the day of Martin Luther King, on which stocks are not traded, and futures until noon.
DATA: Final = "generated:XYZ,EUR.USD,ES.FUT,SPX.IND?seed=3&days=10&start=2024-01-08&gaps=0.05"
START, END = datetime(2024, 1, 8, tzinfo=UTC), datetime(2024, 1, 20, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
LEFT_OUT: Final = bars_pb2.MissingSpan.REASON_LEFT_OUT


def spec_of(instrument: bars_pb2.Instrument, **fields: Any) -> ib_pb2.DataLoadSpec:
    spec = load_spec("XYZ", start=START, end=END, bar_size=bars_pb2.BAR_SIZE_1_MINUTE)
    spec.instruments[0].CopyFrom(instrument)
    spec.MergeFrom(ib_pb2.DataLoadSpec(**fields))
    return spec


def runs(times: Sequence[datetime], present: set[datetime]) -> Iterator[tuple[datetime, int]]:
    """Yield the first and the number of each run of times that are not present."""
    first, count = times[0], 0
    for time in times:
        if time in present:
            if count:
                yield first, count
            count = 0
        else:
            first, count = (time, 1) if not count else (first, count + 1)
    if count:
        yield first, count


async def test_a_load_tells_exactly_the_minutes_that_the_gateway_does_not_have(tmp_path: Path) -> None:
    async with FaultyGateway(data=DATA) as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(spec_of(bars_pb2.Instrument(symbol="XYZ")))).loads[0]
        request = ib_pb2.CheckDatasetRequest(key=load.dataset.key, most_spans=1000)
        request.start_time.FromDatetime(START)
        request.end_time.FromDatetime(END)
        verdict = (await host.bars.CheckDataset(request, timeout=60)).verdict
    history = open_history(DATA)
    assert isinstance(history, IntradayHistory)
    bars = history.bars("XYZ", IntradaySize(60), use_rth=True)
    present = {bar.start for bar in bars if bar.start is not None and bar.start < END}
    sessions = ExchangeCalendar("XNYS", extended=False).sessions(START, END)
    assert len(sessions) == 9
    minutes = [session.start + number * MINUTE for session in sessions for number in range(390)]
    gaps = list(runs(minutes, present))
    assert gaps
    assert [(span.start_time.ToDatetime(UTC), span.bars) for span in verdict.missing] == gaps
    assert {span.reason for span in verdict.missing} == {LEFT_OUT}
    assert (verdict.expected_bars, verdict.stored_bars) == (9 * 390, len(present))
    assert (verdict.unexpected_bars, verdict.impossible_bars) == (0, 0)
    assert (load.verdict.missing_bars, load.verdict.missing_spans) == (verdict.missing_bars, verdict.missing_spans)


@pytest.mark.parametrize(
    ("instrument", "what", "use_rth", "days"),
    [
        (
            bars_pb2.Instrument(symbol="EUR", security_type=bars_pb2.SECURITY_TYPE_FOREX, currency="USD"),
            bars_pb2.WHAT_TO_SHOW_MIDPOINT,
            True,
            10,
        ),
        (
            bars_pb2.Instrument(
                symbol="ES", security_type=bars_pb2.SECURITY_TYPE_FUTURE, exchange="CME", last_trade_date="202403"
            ),
            bars_pb2.WHAT_TO_SHOW_TRADES,
            False,
            10,
        ),
        (
            bars_pb2.Instrument(symbol="SPX", security_type=bars_pb2.SECURITY_TYPE_INDEX, exchange="CBOE"),
            bars_pb2.WHAT_TO_SHOW_TRADES,
            True,
            9,
        ),
    ],
    ids=["currency", "future", "index"],
)
async def test_sessions_come_from_the_schedule_where_no_calendar_knows_them(
    tmp_path: Path,
    instrument: bars_pb2.Instrument,
    what: bars_pb2.WhatToShow.ValueType,
    use_rth: bool,
    days: int,
) -> None:
    async with FaultyGateway(data=DATA) as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = spec_of(instrument, what_to_show=what, bar_size=bars_pb2.BAR_SIZE_1_HOUR)
        spec.use_rth = use_rth
        hours = result_of(await host.load(spec)).loads[0].verdict
        spec.bar_size = bars_pb2.BAR_SIZE_1_DAY
        daily = result_of(await host.load(spec)).loads[0].verdict
    assert hours.calendar == "schedule of the gateway"
    assert (hours.missing_bars, hours.unexpected_bars, hours.complete) == (0, 0, True)
    assert hours.expected_bars == hours.stored_bars > 0
    assert (daily.expected_bars, daily.stored_bars, daily.unexpected_bars, daily.complete) == (days, days, 0, True)


async def test_a_load_of_thirteen_years_of_real_history_is_complete(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=RECORDED_START, end=RECORDED_END))).loads[0]
    verdict = load.verdict
    assert verdict.calendar == "XNYS of exchange-calendars"
    assert (verdict.expected_bars, verdict.stored_bars, verdict.missing_bars, verdict.complete) == (3270, 3270, 0, True)
    assert not load.revisions
