"""Made-up bars: repeatable, plausible, and made into longer ones without loss."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES, Bar, BarSize
from services.ib_host.replay.durations import EARLIEST, Duration
from services.ib_host.replay.history import Split
from services.ib_host.replay.hours import Span
from services.ib_host.replay.instruments import instruments
from services.ib_host.replay.market import NEW_YORK
from services.ib_host.replay.markets import US_STOCK_HOURS
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.served_history import ServedHistory, View
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.generated import GeneratedBars
from services.ib_host.replay.sources.generator_text import parse_generator

TEXT = "generated:XYZ,AAPL?seed=7&days=5&start=2024-03-07&gaps=0.05"
WHOLE = open_history(TEXT)
END = WHOLE.end
MINUTE_SIZES = sorted({size.seconds for size in INTRADAY_BAR_SIZES.values() if size.seconds >= 60})
SIZE_OF = {size.seconds: size for size in INTRADAY_BAR_SIZES.values()}
WINDOWS = st.tuples(st.sampled_from(["XYZ", "AAPL"]), st.integers(0, 4 * 1440), st.integers(60, 100_000), st.booleans())


def minutes(text: str, symbol: str, session: date) -> Sequence[Bar]:
    return GeneratedBars(parse_generator(text), instruments([symbol])).day(symbol, session, 60)


def ask(history: ServedHistory, symbol: str, before: int, seconds: int, use_rth: bool, size: int = 60) -> Sequence[Bar]:
    view = View(SIZE_OF[size], "TRADES", use_rth)
    end = END - timedelta(minutes=before)
    return history.window(symbol, view, Duration(seconds, "S"), end=end, as_of=END)[1]


@given(st.lists(WINDOWS, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_a_range_has_the_same_bars_whatever_was_asked_before(asked: list[tuple[str, int, int, bool]]) -> None:
    used = open_history(TEXT)
    for window in asked[:-1]:
        ask(used, *window)
    assert ask(used, *asked[-1]) == ask(open_history(TEXT), *asked[-1])


@given(st.integers(0, 2**63), st.dates(date(1990, 1, 1), date(2050, 1, 1)), st.sampled_from(["A", "BRK.B", "ZZZZ"]))
@settings(max_examples=15, deadline=None)
def test_a_day_depends_on_seed_symbol_and_date_alone(seed: int, session: date, symbol: str) -> None:
    bars = minutes(f"generated:{symbol}?seed={seed}&days=1&start=2000-01-03", symbol, session)
    assert bars == minutes(f"generated:{symbol}?seed={seed}&days=400&start=1999-01-03", symbol, session)
    assert bars != minutes(f"generated:{symbol}?seed={seed + 1}&days=1", symbol, session)
    assert bars != minutes(f"generated:{symbol}?seed={seed}&days=1", symbol, session + timedelta(days=1))
    assert all(0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert all(bar.volume > 0 and bar.low <= bar.average <= bar.high for bar in bars)


@given(st.integers(0, 1440), st.booleans(), st.sampled_from(MINUTE_SIZES))
@settings(max_examples=25, deadline=None)
def test_longer_bars_hold_what_their_minutes_hold(before: int, use_rth: bool, size: int) -> None:
    two_days = open_history("generated:XYZ?seed=7&days=2&start=2024-03-12&gaps=0.05")
    end = END - timedelta(minutes=before)
    longer = ask(two_days, "XYZ", before, 10**7, use_rth, size)
    short = ask(two_days, "XYZ", before, 10**7, use_rth)
    starts = [bar.start for bar in longer if bar.start]
    assert starts == sorted(set(starts))
    assert sum(bar.volume for bar in longer) == sum(bar.volume for bar in short)
    for bar, following in zip(longer, [*starts[1:], end], strict=True):
        assert bar.start
        step = bar.start + timedelta(seconds=size)
        within = [one for one in short if one.start and bar.start <= one.start < min(following, step)]
        assert (bar.open, bar.close) == (within[0].open, within[-1].close)
        assert (bar.high, bar.low) == (max(one.high for one in within), min(one.low for one in within))
        assert bar.count == sum(one.count for one in within)


@given(st.integers(0, 5 * 1440), st.integers(1, 5), st.sampled_from("SDWM"))
@settings(max_examples=60, deadline=None)
def test_an_intraday_window_begins_before_it_ends(before: int, count: int, unit: str) -> None:
    end = END - timedelta(minutes=before)
    start = Duration(count, unit).intraday_start(end, WHOLE.sessions("XYZ"), hours=US_STOCK_HOURS)
    assert start < end
    assert unit != "D" or start == EARLIEST or end - start >= timedelta(hours=23 * count)


def test_hourly_bars_begin_with_the_session_and_lie_on_the_hour() -> None:
    bars = WHOLE.bars("XYZ", SIZE_OF[3600])
    first = [bar.start.astimezone(NEW_YORK) for bar in bars if bar.start and bar.session == date(2024, 3, 11)]
    assert [(start.hour, start.minute) for start in first] == [(9, 30), *((hour, 0) for hour in range(10, 16))]


def test_days_are_of_the_hours_that_are_asked_for() -> None:
    everything = Duration(1, "Y")
    all_hours = WHOLE.window("XYZ", View(BarSize.DAY, "TRADES", use_rth=False), everything, end=END, as_of=END)[1]
    regular = WHOLE.bars("XYZ")
    assert [bar.session for bar in all_hours] == [bar.session for bar in regular] == list(WHOLE.sessions("XYZ"))
    assert all(long.volume > short.volume for long, short in zip(all_hours, regular, strict=True))
    assert datetime(2024, 3, 14, 4, tzinfo=UTC) == END


def test_minutes_are_missing_where_gaps_are_asked_for() -> None:
    monday = date(2024, 3, 11)
    whole = minutes("generated:A?gaps=0", "A", monday)
    open_, close = (US_STOCK_HOURS.at(monday, minute) for minute in (570, 960))
    assert sum(open_ <= bar.start < close for bar in whole if bar.start) == 390
    assert len(minutes("generated:A?gaps=0.3", "A", monday)) < 0.8 * len(whole)


def test_the_text_says_what_to_generate() -> None:
    spec = parse_generator("generated:AAPL,brk.b?seed=3&days=9&start=2024-05-06&split=AAPL:2024-05-08:3/2")
    assert (spec.symbols, spec.seed, spec.days, spec.start) == (("AAPL", "BRK.B"), 3, 9, date(2024, 5, 6))
    assert spec.splits == {"AAPL": [Split(date(2024, 5, 8), Fraction(3, 2))]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("generated:", "'' is no symbol"),
        ("generated:A B", "'A B' is no symbol"),
        ("generated:A,A", "named twice"),
        ("generated:A?days=0", "days should be"),
        ("generated:A?days=many", "invalid literal"),
        ("generated:A?gaps=0.9", "gaps should be"),
        ("generated:A?gaps=nan", "gaps should be"),
        ("generated:A?start=1066-10-14", "start should"),
        ("generated:A?start=soon", "Invalid isoformat"),
        ("generated:A?seed=1&seed=2", "seed is given twice"),
        ("generated:A?speed=1", "'speed' is not known"),
        ("generated:A?seed", "bad query field"),
        ("generated:A?split=B:2024-01-10:2", "split=B:2024-01-10:2 should be"),
        ("generated:A,EUR.USD?split=EUR.USD:2024-01-10:2", "should be one of its stocks"),
        ("generated:A?split=A:2024-01-10:2/0", "no positive number"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(RecordingError, match="does not say what to generate") as refused:
        open_history(text)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize("text", ["", "9:30", "09:30-", "09:30-09:30", "09:30-24:01", "09:60-10:00"])
def test_hours_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time of day|another time"):
        Span.parse(text)


def test_hours_may_end_with_the_day() -> None:
    assert Span.parse("00:00-24:00").on_the_wire(date(2024, 2, 29)) == "20240229:0000-20240301:0000"


def test_hours_that_end_before_they_begin_have_begun_the_day_before() -> None:
    assert Span.parse("17:00-16:00").on_the_wire(date(2024, 3, 1)) == "20240229:1700-20240301:1600"
