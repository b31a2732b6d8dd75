"""Labels of a preset share their range evenly."""

import math
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training_host.fuzzy.function import membership
from services.training_host.strategy.preset import Preset

TERMS = st.sampled_from([2, 3, 5, 7])
RANGES = st.tuples(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4)).map(lambda pair: [pair[0], pair[0] + pair[1]])


def memberships(
    terms: Literal[2, 3, 5, 7], limits: list[float], values: list[float], shape: Literal["triangular", "gaussian"]
) -> np.ndarray:
    """By label and value."""
    labels = Preset(terms=terms, range=limits, shape=shape).labels
    return np.array([membership(kind, np.array(values)) for kind in labels.values()])


@given(TERMS, RANGES, st.floats(0, 1))
def test_triangles_add_up_to_one_within_the_range(
    terms: Literal[2, 3, 5, 7], limits: list[float], place: float
) -> None:
    value = limits[0] + place * (limits[1] - limits[0])
    found = memberships(terms, limits, [value], "triangular")
    assert found.sum() == pytest.approx(1)
    assert np.count_nonzero(found > 1e-9) <= 2


@given(
    st.sampled_from([(2, "triangular"), (3, "triangular"), (7, "triangular"), (3, "gaussian"), (5, "gaussian")]), RANGES
)
def test_neighbours_cross_at_one_half_and_peaks_belong_fully(
    preset: tuple[Literal[2, 3, 5, 7], Literal["triangular", "gaussian"]], limits: list[float]
) -> None:
    terms, shape = preset
    peaks = np.linspace(limits[0], limits[1], terms).tolist()
    np.testing.assert_allclose(np.diag(memberships(terms, limits, peaks, shape)), 1)
    crossings = [(left + right) / 2 for left, right in pairwise(peaks)]
    found = memberships(terms, limits, crossings, shape)
    np.testing.assert_allclose(np.diag(found), 0.5, rtol=1e-6)
    np.testing.assert_allclose(np.diag(found, -1), 0.5, rtol=1e-6)


@given(TERMS, RANGES, st.floats(0, 1e4))
def test_beyond_the_range_the_outer_labels_have_everything(
    terms: Literal[2, 3, 5, 7], limits: list[float], further: float
) -> None:
    reach = further * (limits[1] - limits[0])
    found = memberships(terms, limits, [limits[0] - reach, limits[1] + reach], "triangular")
    np.testing.assert_allclose(found[0], [1, 0], atol=1e-9)
    np.testing.assert_allclose(found[-1], [0, 1], atol=1e-9)


def test_labels_come_from_the_lowest_up_and_no_value_belongs_nowhere() -> None:
    labels = Preset(terms=5, range=[0, 100]).labels
    assert list(labels) == ["very_low", "low", "medium", "high", "very_high"]
    assert all(math.isnan(membership(kind, np.array([math.nan]))[0]) for kind in labels.values())
