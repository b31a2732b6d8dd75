"""Triple-barrier labels by hand, against a plain loop, and never before they are known."""

from dataclasses import replace

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.series import Bars
from services.training_host.labels.first_touch import bars_before_touch
from services.training_host.labels.series import UNLABELLED, BarLabels
from services.training_host.labels.triple_barrier import DOWN, FLAT, UP, triple_barrier
from tests.support.recorded_bars import recorded_bars
from tests.support.trainings import DAY_NS, random_bars, with_later_bars_scaled


def bars_of(highs: list[float], lows: list[float], closes: list[float]) -> Bars:
    high, low, close = (np.array(values, np.float64) for values in (highs, lows, closes))
    return Bars("X", "1d", np.arange(len(highs), dtype=np.int64) * DAY_NS, close, high, low, close, close)


def after_quiet_bars(*bars: tuple[float, float, float]) -> Bars:
    """Return bars (high, low, close) after three of 99 to 101 that close at 100: their average true range is 2."""
    quiet = [(101.0, 99.0, 100.0)] * 3
    highs, lows, closes = zip(*quiet, *bars, strict=True)
    return bars_of(list(highs), list(lows), list(closes))


def label(bars: Bars, *, upper: float = 2.0, lower: float = 2.0, max_bars: int = 3) -> tuple[int, int]:
    """Return class and end of the third bar, whose barriers lie at 104 and 96 unless told otherwise."""
    labels = triple_barrier(bars, upper_atr=upper, lower_atr=lower, max_bars=max_bars, atr_period=2)
    return int(labels.classes[2]), int(labels.ends[2])


INSIDE = (103.9, 96.1, 100.0)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([(104.0, 99.0, 100.0)], (UP, 3)),  # a high that reaches the barrier touches it, whatever the close
        ([(101.0, 96.0, 100.0)], (DOWN, 3)),
        ([INSIDE, (104.5, 97.0, 99.0)], (UP, 4)),
        ([INSIDE, INSIDE, (100.0, 90.0, 95.0)], (DOWN, 5)),
        ([(105.0, 95.0, 104.0)], (DOWN, 3)),  # both in one bar: which came first is not known
        ([(110.0, 108.0, 109.0)], (UP, 3)),  # a gap over the barrier
        ([INSIDE, INSIDE, INSIDE], (FLAT, 5)),
        ([INSIDE, INSIDE, INSIDE, (110.0, 100.0, 109.0)], (FLAT, 5)),  # too late
        ([INSIDE, INSIDE], (UNLABELLED, UNLABELLED)),  # still open
        ([], (UNLABELLED, UNLABELLED)),
        ([INSIDE, (104.0, 97.0, 100.0)], (UP, 4)),  # known, though the waiting would go on
    ],
)
def test_labels_by_hand(after: list[tuple[float, float, float]], expected: tuple[int, int]) -> None:
    assert label(after_quiet_bars(*after)) == expected


def test_barriers_are_as_far_away_as_each_is_told() -> None:
    bars = after_quiet_bars((103.0, 97.5, 100.0), (103.0, 95.0, 100.0))
    assert label(bars, upper=1.5, lower=2.0) == (UP, 3)
    assert label(bars, upper=2.0, lower=1.25) == (DOWN, 3)
    assert label(bars, upper=2.0, lower=2.5) == (DOWN, 4)
    assert label(bars, upper=99, lower=99, max_bars=1) == (FLAT, 3)


def test_the_first_bars_have_no_range_and_no_label() -> None:
    labels = triple_barrier(random_bars(40), upper_atr=1, lower_atr=1, max_bars=5, atr_period=14)
    assert (labels.ends[:14] == UNLABELLED).all()
    assert labels.ends[14] != UNLABELLED
    few = triple_barrier(random_bars(14), upper_atr=1, lower_atr=1, max_bars=5, atr_period=14)
    assert (few.ends == UNLABELLED).all()
    still = bars_of([5.0] * 30, [5.0] * 30, [5.0] * 30)
    assert (triple_barrier(still, upper_atr=1, lower_atr=1, max_bars=2, atr_period=3).ends == UNLABELLED).all()


def by_loop(bars: Bars, *, upper_atr: float, lower_atr: float, max_bars: int, atr_period: int) -> BarLabels:
    """Walk from each bar on, one bar after the other."""
    atr = talib.ATR(bars.high, bars.low, bars.close, atr_period)
    classes, ends = (np.full(len(bars), UNLABELLED, np.int64) for _ in range(2))
    for row in range(atr_period, len(bars)):
        upper, lower = bars.close[row] + upper_atr * atr[row], bars.close[row] - lower_atr * atr[row]
        for later in range(row + 1, min(row + max_bars, len(bars) - 1) + 1):
            touched = DOWN if bars.low[later] <= lower else UP if bars.high[later] >= upper else None
            if touched is None and later == row + max_bars:
                touched = FLAT
            if touched is not None:
                classes[row], ends[row] = touched, later
                break
    return BarLabels(classes, ends)


BARRIERS = st.fixed_dictionaries(
    {
        "upper_atr": st.floats(0.2, 6),
        "lower_atr": st.floats(0.2, 6),
        "max_bars": st.integers(1, 40),
        "atr_period": st.integers(2, 20),
    }
)


@given(st.integers(16, 160), st.integers(0, 1000), BARRIERS)
@settings(max_examples=100, deadline=None)
def test_labels_equal_a_walk_from_each_bar(count: int, seed: int, barriers: dict[str, float]) -> None:
    bars = random_bars(count, seed=seed)
    quick, slow = triple_barrier(bars, **barriers), by_loop(bars, **barriers)  # type: ignore[arg-type]  # by name
    np.testing.assert_array_equal(quick.classes, slow.classes)
    np.testing.assert_array_equal(quick.ends, slow.ends)


@given(st.integers(16, 160), st.integers(0, 1000), BARRIERS, st.floats(0.2, 5), st.data())
@settings(max_examples=100, deadline=None)
def test_a_label_is_known_at_its_end_and_never_changes_after(
    count: int, seed: int, barriers: dict[str, float], factor: float, data: st.DataObject
) -> None:
    bars = random_bars(count, seed=seed)
    last = data.draw(st.integers(1, count - 1))
    whole = triple_barrier(bars, **barriers)  # type: ignore[arg-type]  # by name
    visible = (whole.ends[: last + 1] != UNLABELLED) & (whole.ends[: last + 1] <= last)
    changed = triple_barrier(with_later_bars_scaled(bars, last, factor), **barriers)  # type: ignore[arg-type]
    early = triple_barrier(bars.rows(0, last + 1), **barriers)  # type: ignore[arg-type]
    for other in (changed, early):
        np.testing.assert_array_equal(other.classes[: last + 1][visible], whole.classes[: last + 1][visible])
        np.testing.assert_array_equal(other.ends[: last + 1][visible], whole.ends[: last + 1][visible])
    # Without what comes later, nothing else has a label.
    assert (early.ends[~visible] == UNLABELLED).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 70), st.data())
@settings(max_examples=200, deadline=None)
def test_bars_before_a_touch_are_counted(prices: list[int], most: int, data: st.DataObject) -> None:
    levels = data.draw(st.lists(st.integers(0, 11), min_size=len(prices), max_size=len(prices)))
    counts = bars_before_touch(np.array(prices, np.float64), np.array(levels, np.float64), most=most)
    for bar, (level, count) in enumerate(zip(levels, counts.tolist(), strict=True)):
        after = prices[bar + 1 : bar + 1 + most]
        assert count == next((index for index, price in enumerate(after) if price >= level), len(after))


def test_recorded_bars_have_all_classes() -> None:
    recorded = recorded_bars("AAPL")
    opening, high, low, close = (
        np.array([getattr(bar, name) for bar in recorded]) for name in ("open", "high", "low", "close")
    )
    bars = replace(random_bars(len(recorded)), open=opening, high=high, low=low, close=close)
    labels = triple_barrier(bars, upper_atr=2, lower_atr=2, max_bars=10, atr_period=14)
    assert (np.bincount(labels.classes[labels.ends != UNLABELLED]) > 300).all()
    expected = by_loop(bars, upper_atr=2, lower_atr=2, max_bars=10, atr_period=14)
    np.testing.assert_array_equal(labels.ends, expected.ends)
