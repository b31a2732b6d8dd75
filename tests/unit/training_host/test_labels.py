"""Labels by hand, and the bar at which each is known."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.labels.forward_return import forward_return
from services.training_host.labels.series import UNLABELLED, LabelSeries
from services.training_host.labels.zigzag import Swing, find_swings, zigzag
from tests.support.recorded_bars import recorded_bars
from tests.support.trainings import bars_of_closes

PRICES = st.lists(st.floats(1, 1000), min_size=1, max_size=80).map(np.array)


def test_forward_return_by_hand() -> None:
    close = np.array([100.0, 100.0, 102.0, 101.0, 98.0, 99.96])
    labels = forward_return(close, horizon=2, threshold=0.02)
    # +2 %, +1 %, -3.9 %, -1.03 %, and two bars without a return.
    assert labels.classes.tolist() == [2, 1, 0, 1, UNLABELLED, UNLABELLED]
    assert labels.ends.tolist() == [2, 3, 4, 5, UNLABELLED, UNLABELLED]


def test_forward_return_needs_more_bars_than_its_horizon() -> None:
    assert forward_return(np.array([1.0, 2.0]), horizon=5, threshold=0.1).classes.tolist() == [UNLABELLED] * 2


# 10 % reversals: 100 rises to 120, falls to 100, rises to 115, and falls to 105, which is not enough.
ZIGZAG = np.array([100.0, 105.0, 112.0, 120.0, 115.0, 107.0, 100.0, 104.0, 111.0, 115.0, 105.0])


def test_swings_by_hand() -> None:
    assert find_swings(ZIGZAG, threshold=0.1) == [
        Swing(bar=0, is_high=False, confirmed_at=2),
        Swing(bar=3, is_high=True, confirmed_at=5),
        Swing(bar=6, is_high=False, confirmed_at=8),
    ]


def test_zigzag_labels_by_hand() -> None:
    labels = zigzag(ZIGZAG, threshold=0.1)
    # Up to the high at 3, known at 5; down to the low at 6, known at 8; from there on the swing may go on.
    assert labels.classes.tolist() == [1, 1, 1, 0, 0, 0] + [UNLABELLED] * 5
    assert labels.ends.tolist() == [5, 5, 5, 8, 8, 8] + [UNLABELLED] * 5


def test_a_series_may_begin_with_a_fall() -> None:
    close = np.array([100.0, 95.0, 89.0, 80.0, 90.0, 70.0])
    assert find_swings(close, threshold=0.1) == [
        Swing(bar=0, is_high=True, confirmed_at=2),
        Swing(bar=3, is_high=False, confirmed_at=4),
        Swing(bar=4, is_high=True, confirmed_at=5),
    ]
    assert zigzag(close, threshold=0.1).classes.tolist() == [0, 0, 0, 1, UNLABELLED, UNLABELLED]


def test_the_move_before_the_first_swing_has_no_label() -> None:
    close = np.array([100.0, 95.0, 100.0, 105.0, 94.0, 104.0])
    # The low at 1 is the first swing: what came before it may have begun earlier.
    assert find_swings(close, threshold=0.1)[0] == Swing(bar=1, is_high=False, confirmed_at=3)
    assert zigzag(close, threshold=0.1).classes.tolist() == [UNLABELLED, 1, 1, 0, UNLABELLED, UNLABELLED]


def test_without_a_reversal_there_is_no_label() -> None:
    labels = zigzag(np.array([100.0, 101.0, 102.0]), threshold=0.05)
    assert labels.classes.tolist() == labels.ends.tolist() == [UNLABELLED] * 3


@given(PRICES)
@settings(max_examples=200, deadline=None)
def test_swings_alternate_and_are_confirmed_after_they_happen(close: np.ndarray) -> None:
    swings = find_swings(close, threshold=0.05)
    for earlier, later in pairwise(swings):
        assert earlier.is_high != later.is_high
        assert earlier.bar < later.bar
        assert earlier.confirmed_at <= later.confirmed_at
        assert abs(close[later.bar] / close[earlier.bar] - 1) >= 0.0499
    assert all(swing.bar < swing.confirmed_at for swing in swings)


def swings_by_definition(close: np.ndarray, threshold: float) -> list[Swing]:
    """Look at all bars since the last extreme anew for each bar: is the latest one far enough from their extreme?"""
    swings: list[Swing] = []
    for bar in range(len(close)):
        since = swings[-1].bar if swings else 0
        stretch = close[since : bar + 1]
        high, low = since + int(stretch.argmax()), since + int(stretch.argmin())
        if (not swings or not swings[-1].is_high) and close[bar] <= close[high] * (1 - threshold):
            swings.append(Swing(high, is_high=True, confirmed_at=bar))
        elif (not swings or swings[-1].is_high) and close[bar] >= close[low] * (1 + threshold):
            swings.append(Swing(low, is_high=False, confirmed_at=bar))
    return swings


@given(PRICES, st.sampled_from([0.02, 0.05, 0.3]))
@settings(max_examples=200, deadline=None)
def test_swings_equal_a_look_at_all_bars_since_the_last_one(close: np.ndarray, threshold: float) -> None:
    swings = swings_by_definition(close, threshold)
    assert find_swings(close, threshold=threshold) == swings
    labels = zigzag(close, threshold=threshold)
    for bar in range(len(close)):
        start = next((swing for swing in reversed(swings) if swing.bar <= bar), None)
        end = next((swing for swing in swings if swing.bar > bar), None)
        known = start is not None and end is not None
        assert labels.ends[bar] == (end.confirmed_at if known and end else UNLABELLED)
        assert labels.classes[bar] == (int(end.is_high) if known and end else UNLABELLED)


@given(PRICES, st.data())
@settings(max_examples=200, deadline=None)
def test_a_label_is_known_at_its_end_and_never_changes_after(close: np.ndarray, data: st.DataObject) -> None:
    known = data.draw(st.integers(1, len(close)))
    full, early = zigzag(close, threshold=0.05), zigzag(close[:known], threshold=0.05)
    visible = (full.ends[:known] != UNLABELLED) & (full.ends[:known] < known)
    np.testing.assert_array_equal(early.classes, np.where(visible, full.classes[:known], UNLABELLED))
    np.testing.assert_array_equal(early.ends, np.where(visible, full.ends[:known], UNLABELLED))


def test_a_regression_has_returns_and_no_classes() -> None:
    bars = bars_of_closes(100, 110, 121, 60.5)
    labels = LabelSeries.of_bars(forward_return(bars.close, horizon=1, threshold=None), bars, first_row=10)
    assert labels.classes.tolist() == [UNLABELLED] * 4
    assert labels.returns.tolist() == [pytest.approx(0.1), pytest.approx(0.1), -0.5, pytest.approx(np.nan, nan_ok=True)]
    assert labels.end_rows.tolist() == [11, 12, 13, UNLABELLED]
    assert labels.known.tolist() == [True, True, True, False]
    # Each is known when the date of the bar that it ends with is over everywhere.
    assert labels.end_times[:3].tolist() == [(day * 24 + 36) * 3_600 * 10**9 for day in (1, 2, 3)]


def test_labels_of_symbols_are_put_one_after_the_other() -> None:
    parts = [bars_of_closes(1, 2, 3), bars_of_closes(10, 5)]
    first_rows = [0, 3]
    labels = LabelSeries.joined(
        [
            LabelSeries.of_bars(forward_return(bars.close, horizon=1, threshold=0.1), bars, first_row)
            for bars, first_row in zip(parts, first_rows, strict=True)
        ]
    )
    assert labels.end_rows.tolist() == [1, 2, UNLABELLED, 4, UNLABELLED]
    assert labels.classes.tolist() == [2, 2, UNLABELLED, 0, UNLABELLED]
    assert labels.returns[[0, 1, 3]].tolist() == [1, 0.5, -0.5]


def test_zigzag_looks_ahead_as_far_as_real_swings_take() -> None:
    close = np.array([bar.close for bar in recorded_bars("AAPL")])
    labels = zigzag(close, threshold=0.05)
    ahead = (labels.ends - np.arange(len(close)))[labels.classes != UNLABELLED]
    # From inside a swing; its first bar, the turning point, looks one bar further.
    assert np.median(ahead - 1) == pytest.approx(10)
    assert ahead.max() - 1 == 95
