"""What a load must say, and what it may leave out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.ib_host.contracts.instruments import difference, with_defaults
from services.ib_host.loading.spec import check_spec

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
        ({"start_time": None}, "spec.start_time"),
        ({"end_time": None}, "spec.end_time"),
        ({"end_time": datetime(2011, 1, 1, tzinfo=UTC)}, "spec.end_time"),
        ({"end_time": datetime(2012, 1, 1, tzinfo=UTC)}, "spec.end_time"),
    ],
)  # fmt: skip
def test_each_fault_names_its_field(changes: dict[str, Any], field: str) -> None:
    assert faults(spec(**changes)) == [field]


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
    by_id = with_defaults(bars_pb2.Instrument(contract_id=7))
    assert (by_id.security_type, by_id.exchange, by_id.currency) == (0, "SMART", "")
    assert difference(stock) == "stock at SMART in USD (contract id 0)"
