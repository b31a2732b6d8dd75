"""What a load must say, and what it may leave out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.ib_host.contracts.instruments import difference, title_of, to_contract, with_defaults
from services.ib_host.loading.spec import check_spec

FOREX = bars_pb2.SECURITY_TYPE_FOREX
FUTURE = bars_pb2.SECURITY_TYPE_FUTURE
FUTURE_FIELD = "spec.instruments[0].last_trade_date"
INDEX = bars_pb2.Instrument(symbol="SPX", security_type=bars_pb2.SECURITY_TYPE_INDEX)
ADJUSTED = bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST
Mode = ib_pb2.DataLoadSpec
UNKNOWN_KIND = bars_pb2.Instrument(symbol="A", security_type=99)  # type: ignore[arg-type]  # no value of today


def spec(**changes: Any) -> ib_pb2.DataLoadSpec:
    fields: dict[str, Any] = {
        "instruments": [bars_pb2.Instrument(symbol="AAPL")],
        "bar_size": bars_pb2.BAR_SIZE_1_DAY,
        "start_time": datetime(2012, 1, 1, tzinfo=UTC),
        "end_time": datetime(2012, 2, 1, tzinfo=UTC),
    }
    return ib_pb2.DataLoadSpec(**{name: value for name, value in (fields | changes).items() if value is not None})


def faults(wrong: ib_pb2.DataLoadSpec) -> list[str]:
    with pytest.raises(ServiceError) as error:
        check_spec(wrong)
    assert all(fault.field in error.value.message for fault in error.value.fields)
    return [fault.field for fault in error.value.fields]


def test_a_short_spec_is_enough() -> None:
    check_spec(spec())
    check_spec(spec(instruments=[bars_pb2.Instrument(contract_id=265598)]))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instruments": []}, "spec.instruments"),
        ({"instruments": [bars_pb2.Instrument()]}, "spec.instruments[0].symbol"),
        ({"instruments": [bars_pb2.Instrument(symbol=symbol) for symbol in "A "]}, "spec.instruments[1].symbol"),
        ({"instruments": [bars_pb2.Instrument(symbol="A")] * 2}, "spec.instruments[1]"),
        ({"instruments": [bars_pb2.Instrument(symbol="A" * 65)]}, "spec.instruments[0].symbol"),
        ({"instruments": [bars_pb2.Instrument(symbol="A\0B")]}, "spec.instruments[0].symbol"),
        ({"instruments": [bars_pb2.Instrument(symbol="A", exchange="S\n")]}, "spec.instruments[0].exchange"),
        ({"instruments": [bars_pb2.Instrument(symbol="A", contract_id=-1)]}, "spec.instruments[0].contract_id"),
        ({"instruments": [UNKNOWN_KIND]}, "spec.instruments[0].security_type"),
        ({"bar_size": None}, "spec.bar_size"),
        ({"bar_size": 77}, "spec.bar_size"),
        ({"what_to_show": 9}, "spec.what_to_show"),
        ({"mode": 9}, "spec.mode"),
        ({"instruments": [bars_pb2.Instrument(local_symbol="A\n")]}, "spec.instruments[0].local_symbol"),
        ({"instruments": [bars_pb2.Instrument(symbol="ES", security_type=FUTURE)]}, FUTURE_FIELD),
        (
            {"instruments": [bars_pb2.Instrument(symbol="ES", security_type=FUTURE, last_trade_date="March")]},
            FUTURE_FIELD,
        ),
        ({"instruments": [bars_pb2.Instrument(symbol="EUR", security_type=FOREX)]}, "spec.what_to_show"),
        ({"instruments": [INDEX], "what_to_show": bars_pb2.WHAT_TO_SHOW_MIDPOINT}, "spec.what_to_show"),
        ({"start_time": None}, "spec.start_time"),
        ({"end_time": None}, "spec.end_time"),
        ({"end_time": datetime(2011, 1, 1, tzinfo=UTC)}, "spec.end_time"),
        ({"end_time": datetime(2012, 1, 1, tzinfo=UTC)}, "spec.end_time"),
    ],
)  # fmt: skip
def test_each_fault_names_its_field(changes: dict[str, Any], field: str) -> None:
    assert faults(spec(**changes)) == [field]


@pytest.mark.parametrize("mode", [Mode.MODE_TAIL, Mode.MODE_BACKFILL, Mode.MODE_FULL, Mode.MODE_LOCAL])
def test_only_a_range_needs_both_ends(mode: int) -> None:
    check_spec(spec(mode=mode, start_time=None, end_time=None))
    check_spec(spec(mode=mode, start_time=None))
    assert faults(spec(mode=mode, end_time=datetime(2011, 1, 1, tzinfo=UTC))) == ["spec.end_time"]


def test_adjusted_bars_are_loaded_whole() -> None:
    check_spec(spec(mode=Mode.MODE_FULL, what_to_show=ADJUSTED, start_time=None, end_time=None))
    check_spec(spec(mode=Mode.MODE_TAIL, what_to_show=ADJUSTED, start_time=None, end_time=None))
    assert faults(spec(what_to_show=ADJUSTED)) == ["spec.mode", "spec.start_time", "spec.end_time"]
    wrong = spec(mode=Mode.MODE_FULL, what_to_show=ADJUSTED, end_time=None)
    assert faults(wrong) == ["spec.start_time"]


def test_futures_pay_no_dividends() -> None:
    future = bars_pb2.Instrument(symbol="ES", last_trade_date="2024-03", security_type=FUTURE)
    check_spec(spec(instruments=[future]))
    wrong = spec(instruments=[future], mode=Mode.MODE_FULL, what_to_show=ADJUSTED, start_time=None, end_time=None)
    assert faults(wrong) == ["spec.what_to_show"]


def test_all_faults_are_named_at_once() -> None:
    assert faults(ib_pb2.DataLoadSpec()) == ["spec.instruments", "spec.bar_size", "spec.start_time", "spec.end_time"]


def test_a_time_beyond_the_calendar_is_refused() -> None:
    wrong = spec()
    wrong.end_time.seconds = 10**15
    assert faults(wrong) == ["spec.end_time"]


def test_what_is_left_empty_has_its_default() -> None:
    stock = with_defaults(bars_pb2.Instrument(symbol=" aapl "))
    assert (stock.symbol, stock.exchange, stock.currency) == ("AAPL", "SMART", "USD")
    assert stock.security_type == bars_pb2.SECURITY_TYPE_STOCK
    pair = with_defaults(bars_pb2.Instrument(symbol="EUR", security_type=bars_pb2.SECURITY_TYPE_FOREX))
    assert (pair.exchange, pair.currency) == ("IDEALPRO", "USD")
    for text in ("EUR.JPY", "eurjpy", "EUR/JPY"):
        crossed = with_defaults(bars_pb2.Instrument(symbol=text, security_type=FOREX))
        assert (crossed.symbol, crossed.currency, title_of(crossed)) == ("EUR", "JPY", "EUR.JPY")
    future = with_defaults(bars_pb2.Instrument(symbol="es", last_trade_date="2025-03", security_type=FUTURE))
    assert (future.exchange, future.currency, title_of(future)) == ("", "", "ES 202503")
    assert title_of(with_defaults(bars_pb2.Instrument(local_symbol="esh5", security_type=FUTURE))) == "ESH5"
    assert to_contract(future).includeExpired
    assert not to_contract(stock).includeExpired
    by_id = with_defaults(bars_pb2.Instrument(contract_id=7))
    assert (by_id.security_type, by_id.exchange, by_id.currency) == (0, "", "")
    assert difference(stock) == "stock at SMART in USD (contract id 0)"
