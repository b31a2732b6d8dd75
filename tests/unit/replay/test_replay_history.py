"""Recorded history the way IB serves it."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from services.ib_host.replay.bars import Bar, BarSize
from services.ib_host.replay.history import SourceHistory, Split
from tests.support.recorded_bars import DailyBar, recorded_bars

HISTORY = SourceHistory.packaged()


def as_recorded(bar: Bar) -> DailyBar:
    time = datetime(bar.session.year, bar.session.month, bar.session.day, tzinfo=UTC)
    return DailyBar(time, bar.open, bar.high, bar.low, bar.close, float(bar.volume))


def on(bars: list[Bar] | tuple[Bar, ...], day: date) -> Bar:
    return next(bar for bar in bars if bar.session == day)


@pytest.mark.parametrize(
    ("symbol", "count"), [("AAPL", 3270), ("FB", 196), ("GOOG", 2148), ("IBM", 3270), ("MSFT", 3270)]
)
def test_trades_are_the_recorded_bars_adjusted_for_splits(symbol: str, count: int) -> None:
    bars = HISTORY.bars(symbol)
    assert len(bars) == count
    assert [as_recorded(bar) for bar in bars] == recorded_bars(symbol)


def test_the_splits_are_found_in_the_recording() -> None:
    assert {symbol: list(HISTORY.splits(symbol)) for symbol in HISTORY.symbols} == {
        "AAPL": [Split(date(2000, 6, 21), Fraction(2)), Split(date(2005, 2, 28), Fraction(2))],
        "FB": [],
        "GOOG": [],
        "IBM": [],
        "MSFT": [Split(date(2003, 2, 18), Fraction(2))],
    }


def test_the_first_bar_of_apple_is_a_quarter_of_what_was_quoted() -> None:
    first = HISTORY.bars("AAPL")[0]
    assert (first.open, first.high, first.low, first.close) == (29.64, 33.015, 29.625, 32.5775)
    assert first.volume == 4 * 9_616_100


def test_a_split_that_has_not_happened_yet_is_not_applied() -> None:
    day = date(2005, 2, 24)
    before = HISTORY.bars("AAPL", as_of=datetime(2005, 2, 26, tzinfo=UTC))
    after = HISTORY.bars("AAPL", as_of=datetime(2005, 3, 1, tzinfo=UTC))
    assert before[-1].session == date(2005, 2, 25)
    assert on(list(before), day).close == 2 * on(list(after), day).close
    assert 2 * on(list(before), day).volume == on(list(after), day).volume


def test_a_session_is_known_once_it_has_closed() -> None:
    before_close = datetime(2013, 2, 28, 20, 59, 59, tzinfo=UTC)
    at_close = datetime(2013, 2, 28, 21, 0, tzinfo=UTC)
    assert HISTORY.bars("IBM", as_of=before_close)[-1].session == date(2013, 2, 27)
    assert HISTORY.bars("IBM", as_of=at_close)[-1].session == date(2013, 2, 28)


def test_adjusted_last_closes_at_the_recorded_adjusted_close() -> None:
    last = HISTORY.bars("MSFT", what="ADJUSTED_LAST")[-1]
    assert last.close == pytest.approx(24.684342419163)
    assert last.open / last.close == pytest.approx(27.72 / 27.95)


@pytest.mark.parametrize("what", ["MIDPOINT", "BID", "ASK"])
@pytest.mark.parametrize("size", list(BarSize))
def test_quotes_have_the_prices_of_trades_and_no_volume(what: str, size: BarSize) -> None:
    trades, quotes = HISTORY.bars("FB", size), HISTORY.bars("FB", size, what)
    assert [(q.session, q.open, q.high, q.low, q.close) for q in quotes] == [
        (t.session, t.open, t.high, t.low, t.close) for t in trades
    ]
    assert {(quote.volume, quote.average, quote.count) for quote in quotes} == {(-1, -1, -1)}


def test_the_average_price_lies_within_the_bar() -> None:
    assert all(bar.low <= bar.average <= bar.high for bar in HISTORY.bars("GOOG"))


def test_an_unknown_symbol_is_an_error() -> None:
    with pytest.raises(KeyError):
        HISTORY.bars("TSLA")
