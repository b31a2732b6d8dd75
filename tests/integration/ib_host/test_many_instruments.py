"""Several instruments in one load, of every kind: each tells its progress, and none stops the others."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.replay.bars import BarSize, IntradaySize
from services.ib_host.replay.messages import Inbound
from services.ib_host.sessions.choice import calendar_for
from services.ib_host.store.bar_store import BarStore
from tests.support.faulty_gateway import FaultyGateway, error
from tests.support.ib_host import ib_host, load_spec, partial_result, reason_of_session, result_of
from tests.support.loaded_bars import Mode, asked, day, mode_spec, source_rows, stored_rows

HMDS = "Historical Market Data Service error message:"
HISTORY = Inbound.HISTORICAL_DATA
KINDS = "generated:AAPL,EUR.USD,ES.FUT,SPX.IND?days=20&start=2024-03-04&gaps=0"
HOUR = bars_pb2.BAR_SIZE_1_HOUR


async def test_each_instrument_has_series_of_its_own(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(load_spec("IBM", "AAPL", start=day(2012, 1, 1)))
        status = await host.host.GetStatus(host_pb2.GetStatusRequest(), timeout=60)
    loads = result_of(session).loads
    values = {metric.name: list(metric.values) for metric in status.sessions[0].metrics}
    for load in loads:
        symbol = load.dataset.key.instrument.symbol
        assert values[f"{symbol} done"][-1] == values[f"{symbol} total"][-1] == load.done_chunks
        assert values[f"{symbol} rows"][-1] == load.range_rows == load.received_rows
    assert session.progress.completed == session.progress.total == sum(load.done_chunks for load in loads)


async def test_what_fails_for_one_instrument_does_not_stop_the_others(tmp_path: Path) -> None:
    forbidden = error(162, f"{HMDS}No market data permissions for NYSE STK")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(HISTORY, forbidden)
        session = await host.load(load_spec("IBM", "NOSUCH", "AAPL", start=day(2012, 1, 3)))
        again = await host.load(load_spec("IBM", "AAPL", start=day(2012, 1, 3)))
    assert reason_of_session(session) == "LOAD_INCOMPLETE"
    message = session.error.message
    assert "2 of 3 instruments failed: NOSUCH: " in message
    assert "IBM 1d 2012-01-03 … 2013-03-01: The account may not read this market data." in message
    loads = {load.dataset.key.instrument.symbol: load for load in partial_result(session).loads}
    assert loads["AAPL"].range_rows == 291
    assert loads["IBM"].range_rows == 0
    assert [load.range_rows for load in result_of(again).loads] == [291, 291]


async def test_two_loads_of_a_dataset_take_turns_and_ask_for_nothing_twice(tmp_path: Path) -> None:
    async with FaultyGateway(latency_ms=30) as gateway, ib_host(tmp_path, gateway.address) as host:
        first = await host.start_load(mode_spec(Mode.MODE_FULL))
        second = await host.start_load(mode_spec(Mode.MODE_FULL))
        loads = [result_of(await host.ended(session.id)).loads[0] for session in (first, second)]
        assert len(asked(gateway)) == len(set(asked(gateway)))
    assert sum(load.new_rows for load in loads) == 3270
    assert loads[0].dataset == loads[1].dataset


def one(instrument: bars_pb2.Instrument, **fields: object) -> ib_pb2.DataLoadSpec:
    spec = mode_spec(Mode.MODE_FULL, bar_size=HOUR, **fields)  # type: ignore[arg-type]  # what a test wants to set
    spec.instruments[0].CopyFrom(instrument)
    return spec


@pytest.mark.parametrize(
    ("instrument", "name", "what"),
    [
        (bars_pb2.Instrument(symbol="EUR.USD", security_type=bars_pb2.SECURITY_TYPE_FOREX), "EUR.USD", "MIDPOINT"),
        (bars_pb2.Instrument(local_symbol="ESM4", security_type=bars_pb2.SECURITY_TYPE_FUTURE), "ESM4", "TRADES"),
        (
            bars_pb2.Instrument(
                symbol="ES", last_trade_date="202403", security_type=bars_pb2.SECURITY_TYPE_FUTURE, exchange="CME"
            ),
            "ESH4",
            "TRADES",
        ),
        (bars_pb2.Instrument(symbol="SPX", security_type=bars_pb2.SECURITY_TYPE_INDEX), "SPX", "TRADES"),
    ],
    ids=["currencies", "future by local symbol", "expired future by month", "index"],
)
async def test_every_kind_is_found_and_loaded_with_its_hours(
    tmp_path: Path, instrument: bars_pb2.Instrument, name: str, what: str
) -> None:
    show = bars_pb2.WhatToShow.Value(f"WHAT_TO_SHOW_{what}")
    async with FaultyGateway(data=KINDS) as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(one(instrument, what_to_show=show))
        load = result_of(session).loads[0]
        rows = source_rows(gateway, name, size=IntradaySize(3600), what=what)
        known = gateway.history.instruments[name]
        local = one(instrument, what_to_show=show)
        local.mode = Mode.MODE_LOCAL
        assert result_of(await host.load(local)).loads[0].dataset == load.dataset
    assert stored_rows(tmp_path, load.dataset.key) == [row for row in rows if row[0] <= _last(load)]  # type: ignore[operator]  # a time
    assert load.range_rows > 60
    found = load.dataset.key.instrument
    assert (found.contract_id, found.security_type) == (known.con_id, instrument.security_type)
    assert found.time_zone
    if found.security_type == bars_pb2.SECURITY_TYPE_FUTURE:
        assert found.local_symbol == name
        assert found.last_trade_date.startswith("2024")
        assert found.multiplier
    assert session.progress.step.startswith(f"{name} 1h ")
    calendar = calendar_for(tmp_path, BarStore(tmp_path).folder(load.dataset.key), load.dataset.key)
    assert calendar is not None
    assert calendar.sessions(datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 9, tzinfo=UTC))


def _last(load: ib_pb2.InstrumentLoad) -> datetime:
    return load.dataset.last_bar_time.ToDatetime(UTC)


async def test_days_of_all_kinds_in_one_load(tmp_path: Path) -> None:
    spec = mode_spec(Mode.MODE_FULL, "AAPL", "SPX")
    spec.instruments[1].security_type = bars_pb2.SECURITY_TYPE_INDEX
    async with FaultyGateway(data=KINDS) as gateway, ib_host(tmp_path, gateway.address) as host:
        loads = result_of(await host.load(spec)).loads
        for load, name in zip(loads, ("AAPL", "SPX"), strict=True):
            rows = source_rows(gateway, name, size=BarSize.DAY)
            assert stored_rows(tmp_path, load.dataset.key) == rows
            assert load.verdict.stored_bars == len(rows) == 20


async def test_a_number_is_enough_for_any_kind(tmp_path: Path) -> None:
    async with FaultyGateway(data=KINDS) as gateway, ib_host(tmp_path, gateway.address) as host:
        by_id = bars_pb2.Instrument(contract_id=gateway.history.instruments["ESH4"].con_id)
        load = result_of(await host.load(one(by_id))).loads[0]
        pair = bars_pb2.Instrument(contract_id=gateway.history.instruments["EUR.USD"].con_id)
        session = await host.load(one(pair))
    assert load.dataset.key.instrument.local_symbol == "ESH4"
    assert reason_of_session(session) == "INVALID_REQUEST"
    assert "use MIDPOINT, BID or ASK" in session.error.message
