"""Instruments as people write them."""

import pytest
from ktrdr.ib.v1.bars_pb2 import (
    SECURITY_TYPE_FOREX,
    SECURITY_TYPE_FUTURE,
    SECURITY_TYPE_INDEX,
    SECURITY_TYPE_STOCK,
    SECURITY_TYPE_UNSPECIFIED,
    SOURCE_IMPORTED,
    WHAT_TO_SHOW_ADJUSTED_LAST,
    WHAT_TO_SHOW_BID,
    WHAT_TO_SHOW_MIDPOINT,
    WHAT_TO_SHOW_TRADES,
    Instrument,
)
from ktrdr.ib.v1.ib_pb2 import DataLoadSpec
from ktrdr_client.instruments import CURRENCIES, currency_pair, instrument_title, means, parse_instrument
from ktrdr_client.specs import data_load_spec, dataset_key, training_spec


@pytest.mark.parametrize("text", ["EUR.USD", "eurusd", "EUR/USD", " EUR.USD "])
def test_a_currency_pair_says_that_it_is_forex(text: str) -> None:
    found = parse_instrument(text)
    assert found == Instrument(symbol="EUR", currency="USD", security_type=SECURITY_TYPE_FOREX)
    assert instrument_title(found) == "EUR.USD"


@pytest.mark.parametrize("text", ["AAPL", "BRK.B", "EUR", "EUREUR", "GOOGLE", "ABCUSD", "USD.ABC"])
def test_anything_else_is_no_pair(text: str) -> None:
    assert currency_pair(text) is None
    assert parse_instrument(text).security_type == SECURITY_TYPE_UNSPECIFIED
    assert instrument_title(parse_instrument(text)) == text


def test_a_kind_that_is_named_wins() -> None:
    assert parse_instrument("EURUSD", security_type="stock").security_type == SECURITY_TYPE_STOCK
    assert parse_instrument("SPX", security_type="Index").security_type == SECURITY_TYPE_INDEX


def test_a_future_is_told_by_its_month_or_its_local_symbol() -> None:
    month = parse_instrument("es", last_trade_date="2025-03")
    assert (month.security_type, month.last_trade_date) == (SECURITY_TYPE_FUTURE, "202503")
    assert instrument_title(month) == "ES 202503"
    assert instrument_title(parse_instrument("ES", local_symbol="esh5")) == "ESH5"


def test_what_people_say_fits_what_is_stored() -> None:
    stored = Instrument(
        symbol="ES", local_symbol="ESH5", last_trade_date="20250321", security_type=SECURITY_TYPE_FUTURE, currency="USD"
    )
    fitting = [parse_instrument(symbol) for symbol in ("ES", "ESH5", "")]
    fitting.append(parse_instrument("ES", last_trade_date="202503"))
    assert all(means(said, stored) for said in fitting)
    others = [parse_instrument("ESM5"), parse_instrument("ES", security_type="stock")]
    others.append(parse_instrument("ES", currency="EUR"))
    assert not any(means(said, stored) for said in others)


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="in USD, not in CHF"):
        parse_instrument("EUR.USD", currency="chf")
    with pytest.raises(ValueError, match="write 202503"):
        parse_instrument("ES", last_trade_date="March")
    with pytest.raises(ValueError, match="choose from stock, forex"):
        parse_instrument("ES", security_type="fund")


def test_currencies_are_codes_of_three_letters() -> None:
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)


def test_forex_has_no_trades_so_its_midpoint_is_meant() -> None:
    assert dataset_key("EUR.USD", "1h").what_to_show == WHAT_TO_SHOW_MIDPOINT
    assert dataset_key("AAPL", "1h").what_to_show == WHAT_TO_SHOW_TRADES
    assert dataset_key("AAPL", "1h", what_to_show="adjusted-last").what_to_show == WHAT_TO_SHOW_ADJUSTED_LAST
    assert data_load_spec(["EUR.USD", "GBPUSD"], "1h", mode="full").what_to_show == WHAT_TO_SHOW_MIDPOINT
    with pytest.raises(ValueError, match="load them apart"):
        data_load_spec(["EUR.USD", "AAPL"], "1h", mode="full")


def test_a_training_says_only_what_was_asked_for() -> None:
    assert not training_spec("name: x").HasField("stored")
    spec = training_spec("name: x", what_to_show="bid", source="imported")
    assert (spec.stored.what_to_show, spec.stored.source) == (WHAT_TO_SHOW_BID, SOURCE_IMPORTED)
    with pytest.raises(ValueError, match="not from both"):
        training_spec("name: x", what_to_show="bid", bars_path="bars.csv")


def test_modes_say_which_bars_and_only_a_range_needs_a_start() -> None:
    spec = data_load_spec("AAPL", "1d", mode="tail", reload=True)
    assert (spec.mode, spec.reload) == (DataLoadSpec.MODE_TAIL, True)
    assert not spec.HasField("start_time")
    assert not spec.HasField("end_time")
    assert data_load_spec("AAPL", "1d", start="2000-03-01").HasField("end_time")
    with pytest.raises(ValueError, match="a range needs a start"):
        data_load_spec("AAPL", "1d")
    with pytest.raises(ValueError, match="choose from range, tail"):
        data_load_spec("AAPL", "1d", mode="all")
