"""Inputs from longer bars: known once these are over, and not a moment before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.aggregation import aggregate
from services.training_host.bars.closing import close_times
from services.training_host.bars.series import COLUMNS, Bars
from services.training_host.features.matrix import closed_bars
from services.training_host.indicators.calculation import calculate_all
from services.training_host.indicators.definition import Indicator
from tests.support.datasets import Series, dataset_of, random_market, small_strategy, with_longer_bars
from tests.support.trainings import DAY_NS, random_bars, with_later_bars_scaled

STRATEGY = small_strategy(symbols=["AAPL", "MSFT"], timeframes=["1d", "1w", "1month"])
MARKET = random_market(STRATEGY, 400)
WHOLE = dataset_of(STRATEGY, MARKET)


def natr(indicators: dict[str, Indicator], bars: Bars) -> np.ndarray:
    return calculate_all({"natr": indicators["natr"]}, bars)["natr"]


def day_of(ns: int) -> date:
    return datetime.fromtimestamp(ns / 1e9, UTC).date()


def test_the_weekly_input_of_a_wednesday_is_that_of_the_week_before() -> None:
    column = [column.name for column in WHOLE.columns].index("natr@1w")
    for symbol, rows in WHOLE.symbol_rows.items():
        weeks = MARKET[symbol, "1w"]
        values = dict(
            zip((day_of(time) for time in weeks.times.tolist()), natr(STRATEGY.indicators, weeks), strict=True)
        )
        seen = 0
        for row in range(rows.stop - 300, rows.stop):
            day = day_of(int(WHOLE.times[row]))
            # Monday to Sunday alike: the last week that was over when the day was is the one before.
            last_sunday = day - timedelta(days=day.isoweekday() if day.isoweekday() < 7 else 0)
            seen += day.isoweekday() == 3
            assert WHOLE.matrix[row, column] == values[last_sunday]
        assert seen > 40


def test_the_monthly_input_is_that_of_the_month_before_until_the_month_is_over() -> None:
    column = [column.name for column in WHOLE.columns].index("natr@1month")
    months = MARKET["AAPL", "1month"]
    ends = [day_of(time) for time in months.times.tolist()]
    values = dict(zip(((day.year, day.month) for day in ends), natr(STRATEGY.indicators, months), strict=True))
    for row in range(200, 390):
        tomorrow = day_of(int(WHOLE.times[row]) + DAY_NS)
        before = tomorrow.replace(day=1) - timedelta(days=1)
        assert WHOLE.matrix[row, column] == values[before.year, before.month]


def test_a_week_that_goes_on_at_the_end_of_the_data_is_in_no_input() -> None:
    """The last stored week is as far as its last session: what it becomes later changes nothing."""
    for symbol in STRATEGY.symbols:
        weeks = MARKET[symbol, "1w"]
        last = len(weeks) - 1
        assert close_times(weeks)[last] > close_times(MARKET[symbol, "1d"])[-1]
        values = {
            name: np.where(np.arange(len(weeks)) == last, 9 * getattr(weeks, name), getattr(weeks, name))
            for name in COLUMNS
        }
        changed = dataset_of(STRATEGY, MARKET | {(symbol, "1w"): replace(weeks, **values)})
        np.testing.assert_array_equal(changed.matrix, WHOLE.matrix)


def test_hours_know_the_last_whole_four_hours() -> None:
    hours = replace(random_bars(200), timeframe="1h", times=np.arange(200, dtype=np.int64) * 3_600 * 10**9)
    four = aggregate(hours, "4h")
    # The bar that begins at 3 is over at 4, together with the one of four hours that begins at 0.
    assert closed_bars(four, hours)[:13].tolist() == [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_days_are_not_known_in_the_hours_of_the_next_day_before_they_are_over_everywhere() -> None:
    hours = replace(random_bars(100), timeframe="1h", times=np.arange(100, dtype=np.int64) * 3_600 * 10**9)
    known = closed_bars(aggregate(hours, "1d"), hours)
    assert known[:61].tolist() == [-1] * 35 + [0] * 24 + [1] * 2  # at 12:00 of the next day


def test_each_timeframe_warms_up_by_itself() -> None:
    history = 10
    strategy = small_strategy(timeframes=["1d", "1w"], training_data={"history_required": history})
    market = random_market(strategy, 300)
    dataset = dataset_of(strategy, market)
    first = int(np.flatnonzero(dataset.has_inputs)[0])
    assert closed_bars(market["AAPL", "1w"], market["AAPL", "1d"])[first] == history
    assert closed_bars(market["AAPL", "1w"], market["AAPL", "1d"])[first - 1] == history - 1


def scaled_after(market: Series, instant: int, factor: float) -> Series:
    """Multiply all bars, of every symbol and timeframe, that were not over at an instant."""
    return {
        key: with_later_bars_scaled(bars, int(np.searchsorted(close_times(bars), instant, side="right")) - 1, factor)
        for key, bars in market.items()
    }


@given(st.integers(0, 399), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_no_input_changes_when_any_bar_changes_that_was_not_over(row: int, factor: float) -> None:
    instant = int(WHOLE.close_times[row])
    changed = dataset_of(STRATEGY, scaled_after(MARKET, instant, factor))
    known = WHOLE.close_times <= instant
    np.testing.assert_array_equal(changed.matrix[known], WHOLE.matrix[known])
    np.testing.assert_array_equal(changed.has_inputs[known], WHOLE.has_inputs[known])


def test_the_check_above_sees_a_change_of_bars_that_were_over() -> None:
    row = 300
    instant = int(WHOLE.close_times[row])
    changed = dataset_of(STRATEGY, scaled_after(MARKET, instant - 1, 2.0))
    assert (changed.matrix[row] != WHOLE.matrix[row]).any()


@pytest.mark.parametrize("base", ["1min", "1h", "1d", "1w"])
def test_no_longer_bar_is_known_before_the_bar_that_knows_it_is_over(base: str) -> None:
    length = {"1min": 60, "1h": 3_600, "1d": 86_400, "1w": 7 * 86_400}[base] * 10**9
    longer = {"1min": ["2min", "1h"], "1h": ["8h", "1d", "1w"], "1d": ["1w", "1month"], "1w": ["1month"]}[base]
    bars = replace(random_bars(300), timeframe=base, times=np.arange(300, dtype=np.int64) * length)
    for timeframe in longer:
        months = replace(random_bars(60), timeframe="1month", times=np.arange(60, dtype=np.int64) * 31 * DAY_NS)
        slow = (
            months
            if base == "1w"
            else with_longer_bars(small_strategy(timeframes=[base, timeframe]), bars)["TEST", timeframe]
        )
        index = closed_bars(slow, bars)
        known = index >= 0
        over, base_over = close_times(slow), close_times(bars)
        assert known.any()
        assert (over[index[known]] <= base_over[known]).all()
        following = known & (index + 1 < len(slow))
        assert (over[index[following] + 1] > base_over[following]).all()
