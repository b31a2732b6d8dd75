"""Leaving points out hides nothing that matters."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.operations.history import downsampling


def kept_points(values: list[float], most: int) -> list[int]:
    return [int(place) for place in downsampling.kept_points(np.array(values), most)]


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=300)


@settings(deadline=None)
@given(VALUES, st.integers(1, 80))
def test_no_more_points_than_asked_for_in_order_and_the_last_is_kept(values: list[float], most: int) -> None:
    kept = kept_points(values, most)
    assert len(kept) <= most
    assert kept == sorted(set(kept))
    assert kept[-1] == len(values) - 1
    assert all(0 <= place < len(values) for place in kept)


@settings(deadline=None)
@given(VALUES, st.integers(5, 80))
def test_first_last_extremes_and_nan_are_kept(values: list[float], most: int) -> None:
    kept = [values[place] for place in kept_points(values, most)]
    assert kept_points(values, most)[0] == 0
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        assert max(numbers) in kept
        assert min(numbers) in kept
    assert any(map(math.isnan, kept)) == any(map(math.isnan, values))


def test_a_curve_that_fits_is_left_as_it_is() -> None:
    assert kept_points([1.0, 2.0, 3.0], 3) == [0, 1, 2]


def test_a_single_spike_stays_visible() -> None:
    values = [0.0] * 10_000
    values[6_543] = 9.0
    assert 6_543 in kept_points(values, 20)


def test_with_very_little_room_the_ends_and_the_highest_come_first() -> None:
    values = [1.0, 5.0, 3.0, -2.0, 0.0]
    assert kept_points(values, 1) == [4]
    assert kept_points(values, 2) == [0, 4]
    assert kept_points(values, 3) == [0, 1, 4]
    assert kept_points(values, 4) == [0, 1, 3, 4]
