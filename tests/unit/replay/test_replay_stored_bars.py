"""The bars that a host has stored, served again."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.store.bar_store import BarStore
from tests.support.stored_bars import bar_key, bars_from

FIRST = datetime(2024, 3, 11, tzinfo=UTC)
OPENING = FIRST + timedelta(hours=13, minutes=30)


def key(
    size: bars_pb2.BarSize.ValueType, what: bars_pb2.WhatToShow.ValueType, **instrument: object
) -> bars_pb2.DatasetKey:
    described = bar_key(size)
    described.what_to_show = what
    described.instrument.MergeFrom(bars_pb2.Instrument(**instrument))  # type: ignore[arg-type]  # of any field
    return described


def test_datasets_are_served_with_their_instruments(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    trades, quotes = bars_pb2.WHAT_TO_SHOW_TRADES, bars_pb2.WHAT_TO_SHOW_MIDPOINT
    store.merge(key(bars_pb2.BAR_SIZE_1_DAY, trades), bars_from(FIRST, 3, close=10))
    store.merge(key(bars_pb2.BAR_SIZE_1_DAY, quotes), bars_from(FIRST, 3, close=11))
    store.merge(key(bars_pb2.BAR_SIZE_1_WEEK, trades), bars_from(FIRST, 3, close=12))
    store.merge(key(bars_pb2.BAR_SIZE_1_MINUTE, trades), bars_from(OPENING, 60, step=timedelta(minutes=1)))
    future = {
        "symbol": "ES", "local_symbol": "ESM4", "last_trade_date": "20240621", "contract_id": 7, "multiplier": "50",
        "security_type": bars_pb2.SECURITY_TYPE_FUTURE, "exchange": "CME", "time_zone": "US/Central",
    }  # fmt: skip
    store.merge(key(bars_pb2.BAR_SIZE_1_HOUR, trades, **future), bars_from(FIRST, 5, step=timedelta(hours=1)))
    euro = {"symbol": "EUR", "contract_id": 8, "security_type": bars_pb2.SECURITY_TYPE_FOREX, "exchange": "IDEALPRO"}
    store.merge(key(bars_pb2.BAR_SIZE_1_HOUR, quotes, **euro), bars_from(FIRST, 5, step=timedelta(hours=1)))
    for folder in (tmp_path, store.folder(bar_key(bars_pb2.BAR_SIZE_1_DAY)).parent):
        history = open_history(str(folder))
        assert [bar.close for bar in history.bars("AAPL")] == [10, 10, 10]
        assert len(history.bars("AAPL", INTRADAY_BAR_SIZES["5 mins"])) == 12
    history = open_history(str(tmp_path))
    assert history.symbols == ("AAPL", "ESM4", "EUR.USD")
    contract, currency = history.instruments["ESM4"], history.instruments["EUR.USD"]
    assert (contract.symbol, contract.con_id, contract.expiry, contract.exchanges) == (
        *("ES", 7, date(2024, 6, 21)),
        ("CME",),
    )
    assert (currency.symbol, currency.security_type, currency.currency) == ("EUR", "CASH", "USD")
    assert history.instruments["AAPL"].con_id == 265598


def test_bars_of_ib_go_before_others(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    sources = (bars_pb2.SOURCE_REPLAY, bars_pb2.SOURCE_IB, bars_pb2.SOURCE_IMPORTED)
    for close, source in enumerate(sources, 10):
        store.merge(bar_key(bars_pb2.BAR_SIZE_1_DAY, source), bars_from(FIRST, 3, close=close))
    assert open_history(str(tmp_path)).bars("AAPL")[0].close == 11
    assert open_history(str(tmp_path / "data/bars/replay")).bars("AAPL")[0].close == 10


def test_a_damaged_dataset_is_named(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    described = bar_key(bars_pb2.BAR_SIZE_1_DAY)
    store.merge(described, bars_from(FIRST, 3))
    (store.folder(described) / "manifest.json").write_text("{")
    with pytest.raises(RecordingError, match=r"1d-trades-rth can't be used: .*manifest\.json"):
        open_history(str(tmp_path))


def test_longer_bars_alone_are_refused(tmp_path: Path) -> None:
    BarStore(tmp_path).merge(bar_key(bars_pb2.BAR_SIZE_1_WEEK), bars_from(FIRST, 3))
    with pytest.raises(RecordingError, match="holds no datasets with bars of a day or less"):
        open_history(str(tmp_path))
