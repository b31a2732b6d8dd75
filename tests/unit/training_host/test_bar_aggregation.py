"""Longer bars out of shorter ones, by hand and against a plain loop."""

from datetime import UTC, datetime
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.aggregation import aggregate, latest_of_each_period
from services.training_host.bars.closing import close_times
from services.training_host.bars.periods import has_whole, intraday_ns, period_numbers
from services.training_host.bars.series import COLUMNS, Bars
from services.training_host.strategy.training_data import TIMEFRAMES
from tests.support.recorded_bars import recorded_bars


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bars(timeframe: str, times: list[str], **columns: list[float]) -> Bars:
    stamps = np.array([int(at(time).timestamp()) * 10**9 for time in times], np.int64)
    return Bars("AAPL", timeframe, stamps, **{name: np.array(columns[name]) for name in COLUMNS})


DAYS = bars(
    "1d",
    ["2013-02-25", "2013-02-26", "2013-02-27", "2013-02-28", "2013-03-01", "2013-03-04"],
    open=[10, 11, 12, 13, 14, 15],
    high=[20, 26, 22, 23, 24, 25],
    low=[5, 6, 3, 8, 9, 4],
    close=[11, 12, 13, 14, 15, 16],
    volume=[100, 200, 300, 400, 500, 600],
)


def rows(bars: Bars) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(bars, name).tolist() for name in COLUMNS), strict=True))


def test_weeks_and_months_of_days_by_hand() -> None:
    weeks, months = aggregate(DAYS, "1w"), aggregate(DAYS, "1month")
    assert rows(weeks) == [(10, 26, 3, 15, 1500), (15, 25, 4, 16, 600)]
    # Their time is the date of their last session, as the IB host stores them.
    assert [weeks.time(0), weeks.time(1)] == [at("2013-03-01"), at("2013-03-04")]
    assert rows(months) == [(10, 26, 3, 14, 1000), (14, 25, 4, 16, 1100)]
    assert [months.time(0), months.time(1)] == [at("2013-02-28"), at("2013-03-04")]


def test_hours_and_days_of_minutes_by_hand() -> None:
    times = ["2013-03-01 23:00", "2013-03-01 23:30", "2013-03-01 23:45", "2013-03-01 23:59", "2013-03-02 00:00"]
    minutes = bars(
        "1min", times, open=[1, 2, 3, 4, 5], high=[6, 9, 7, 8, 9], low=[1, 2, 1, 2, 1], close=[2, 3, 4, 5, 6],
        volume=[1, 1, 1, 1, 1],
    )  # fmt: skip
    halves = aggregate(minutes, "30min")
    assert rows(halves) == [(1, 6, 1, 2, 1), (2, 9, 1, 5, 3), (5, 9, 1, 6, 1)]
    assert halves.time(1) == at("2013-03-01 23:30")
    assert rows(aggregate(minutes, "1d")) == [(1, 9, 1, 5, 4), (5, 9, 1, 6, 1)]
    assert aggregate(minutes, "1d").time(0) == at("2013-03-01")


def test_what_has_no_volume_has_none_when_it_is_longer() -> None:
    ones = [1.0, 1.0]
    unknown = bars("1d", ["2013-03-04", "2013-03-05"], open=ones, high=ones, low=ones, close=ones, volume=[5.0, -1.0])
    assert aggregate(unknown, "1w").volume.tolist() == [-1]


def test_nothing_makes_nothing() -> None:
    none = aggregate(DAYS.rows(0, 0), "1w")
    assert (len(none), none.timeframe) == (0, "1w")


@pytest.mark.parametrize(
    ("periods", "shorter", "fits"),
    [
        ("1h", "5min", True), ("3min", "2min", False), ("3h", "2h", False), ("8h", "4h", True), ("1d", "8h", True),
        ("1w", "1d", True), ("1month", "1d", True), ("1month", "1w", False), ("1w", "1h", True), ("1d", "1d", False),
        ("5min", "1h", False), ("1d", "1w", False),
    ],
)  # fmt: skip
def test_only_lengths_that_fill_a_period_make_it_up(periods: str, shorter: str, fits: bool) -> None:
    assert has_whole(periods, shorter) is fits


PAIRS = [(long, short) for long in TIMEFRAMES for short in TIMEFRAMES if has_whole(long, short)]


@given(st.sampled_from(PAIRS), st.data())
@settings(max_examples=150, deadline=None)
def test_longer_bars_equal_a_plain_loop_and_hold_nothing_from_after_their_end(
    pair: tuple[str, str], data: st.DataObject
) -> None:
    timeframe, short = pair
    length = intraday_ns(short) or 86_400 * 10**9
    # Gaps, and bars that do not begin on whole minutes or hours, as those of a session that opens at half past.
    shift = data.draw(st.sampled_from([0, length // 2])) if intraday_ns(short) else 0
    steps = sorted(data.draw(st.sets(st.integers(0, 400), min_size=1, max_size=40)))
    times = np.array(steps, np.int64) * length + shift + 15_000 * 86_400 * 10**9
    random = np.random.default_rng(len(steps))
    base = Bars("X", short, times, *(random.uniform(1, 9, len(steps)) for _ in COLUMNS))
    longer = aggregate(base, timeframe)
    # A bar belongs to the period in which it ends.
    numbers = period_numbers(times + length - 1 if intraday_ns(short) else times, timeframe).tolist()
    groups = [list(group) for _, group in groupby(range(len(steps)), key=lambda index: numbers[index])]
    assert [row[:4] for row in rows(longer)] == [
        (base.open[group[0]], max(base.high[group]), min(base.low[group]), base.close[group[-1]]) for group in groups
    ]
    assert longer.volume.tolist() == pytest.approx([base.volume[group].sum() for group in groups])
    over = close_times(longer)
    assert (np.diff(over) > 0).all()
    assert (close_times(base)[[group[-1] for group in groups]] <= over).all()


def test_of_a_week_that_was_read_twice_the_later_bar_counts() -> None:
    times = ["2013-02-22", "2013-02-27", "2013-03-01", "2013-03-04"]
    weeks = bars("1w", times, open=[1, 2, 2, 3], high=[1, 2, 4, 3], low=[1, 2, 1, 3], close=[1, 2, 3, 3],
                 volume=[1, 2, 5, 3])  # fmt: skip
    assert rows(latest_of_each_period(weeks)) == [(1, 1, 1, 1, 1), (2, 4, 1, 3, 5), (3, 3, 3, 3, 3)]
    assert latest_of_each_period(DAYS) is DAYS


def test_weeks_of_the_recorded_days_are_as_many_as_the_calendar_has() -> None:
    recorded = recorded_bars("AAPL")
    columns = {name: [getattr(bar, name) for bar in recorded] for name in COLUMNS}
    weeks = aggregate(bars("1d", [bar.time.isoformat() for bar in recorded], **columns), "1w")
    assert len(weeks) == len({bar.time.isocalendar()[:2] for bar in recorded}) == 679
