"""Memberships equal their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.features.blocks import BLOCK_ROWS
from services.training_host.fuzzy.function import membership
from services.training_host.strategy.membership import Gaussian, Shape, Trapezoidal, Triangular

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POINTS = st.lists(NUMBERS, min_size=4, max_size=4).map(sorted).filter(lambda points: points[0] < points[3])


def at(kind: Shape, *values: float) -> list[float]:
    return [float(value) for value in membership(kind, np.array(values))]


def trapezoid_at(points: list[float], value: float) -> float:
    """Case by case, for one number."""
    a, b, c, d = points
    if math.isnan(value):
        return math.nan
    if value < a or value > d:
        return 0.0
    if value < b:
        return (value - a) / (b - a)
    return 1.0 if value <= c else (d - value) / (d - c)


def test_triangle_by_hand() -> None:
    triangle = Triangular(type="triangular", parameters=[35, 50, 65])
    assert at(triangle, 0, 35, 42.5, 50, 57.5, 65, 100) == [0, 0, 0.5, 1, 0.5, 0, 0]


def test_trapezoid_by_hand() -> None:
    trapezoid = Trapezoidal(type="trapezoidal", parameters=[0, 4, 10, 20])
    assert at(trapezoid, -1, 0, 1, 4, 7, 10, 15, 20, 21) == [0, 0, 0.25, 1, 1, 1, 0.5, 0, 0]


def test_shoulders_belong_with_their_end_point() -> None:
    left = Trapezoidal(type="trapezoidal", parameters=[0, 0, 30, 45])
    right = Trapezoidal(type="trapezoidal", parameters=[55, 70, 100, 100])
    assert at(left, -0.1, 0, 30, 37.5, 45) == [0, 1, 1, 0.5, 0]
    assert at(right, 55, 62.5, 70, 100, 100.1) == [0, 0.5, 1, 1, 0]


def test_a_triangle_may_have_a_steep_side() -> None:
    assert at(Triangular(type="triangular", parameters=[1, 1, 3]), 0.9, 1, 2, 3) == [0, 1, 0.5, 0]
    assert at(Triangular(type="triangular", parameters=[1, 3, 3]), 1, 2, 3, 3.1) == [0, 0.5, 1, 0]


def test_a_trapezoid_may_be_a_box() -> None:
    box = Trapezoidal(type="trapezoidal", parameters=[1, 1, 3, 3])
    got = at(box, 0.9, 1, 2, 3, 3.1, math.nan)
    assert got[:5] == [0, 1, 1, 1, 0]
    assert math.isnan(got[5])


def test_bell_by_hand() -> None:
    bell = Gaussian(type="gaussian", parameters=[2, 1.5])
    assert at(bell, 2, 3.5, 0.5) == pytest.approx([1, math.exp(-0.5), math.exp(-0.5)])


def test_a_bell_may_be_very_narrow() -> None:
    assert at(Gaussian(type="gaussian", parameters=[2, 1e-200]), 2, 2.1) == [1, 0]


@pytest.mark.parametrize(
    "kind",
    [
        Triangular(type="triangular", parameters=[0, 1, 2]),
        Trapezoidal(type="trapezoidal", parameters=[0, 0, 1, 2]),
        Trapezoidal(type="trapezoidal", parameters=[0, 1, 2, 2]),
        Gaussian(type="gaussian", parameters=[0, 1]),
    ],
    ids=repr,
)
def test_no_value_has_no_membership_and_infinity_belongs_nowhere(kind: Shape) -> None:
    nowhere, below, above, far = at(kind, math.nan, -math.inf, math.inf, -1.7e308)
    assert math.isnan(nowhere)
    assert below == above == far == 0


@given(POINTS, NUMBERS)
def test_a_trapezoid_equals_its_formula(points: list[float], value: float) -> None:
    got = at(Trapezoidal(type="trapezoidal", parameters=points), value, *points)
    assert got == pytest.approx([trapezoid_at(points, each) for each in (value, *points)])


@given(st.lists(NUMBERS, min_size=3, max_size=3).map(sorted).filter(lambda points: points[0] < points[2]), NUMBERS)
def test_a_triangle_equals_its_formula(points: list[float], value: float) -> None:
    left, peak, right = points
    got = at(Triangular(type="triangular", parameters=points), value)[0]
    assert got == pytest.approx(trapezoid_at([left, peak, peak, right], value))
    assert 0 <= got <= 1


@given(NUMBERS, st.floats(1e-3, 1e3), NUMBERS)
def test_a_bell_equals_its_formula(center: float, spread: float, value: float) -> None:
    got = at(Gaussian(type="gaussian", parameters=[center, spread]), value)[0]
    assert got == pytest.approx(math.exp(-((value - center) ** 2) / (2 * spread**2)))
    assert 0 <= got <= 1


@given(st.integers(BLOCK_ROWS - 1, 2 * BLOCK_ROWS + 1), POINTS)
@settings(max_examples=10)
def test_many_values_are_the_same_as_one_by_one(count: int, points: list[float]) -> None:
    values = np.random.default_rng(count).uniform(points[0] - 1, points[3] + 1, count)
    values[::50] = np.nan
    before = values.copy()
    got = membership(Trapezoidal(type="trapezoidal", parameters=points), values)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_allclose(got, [trapezoid_at(points, float(value)) for value in values], rtol=1e-12)


def test_memberships_are_written_where_they_are_wanted() -> None:
    matrix = np.full((3, 2), 7.0)
    column = matrix[:, 1]
    got = membership(Triangular(type="triangular", parameters=[0, 1, 2]), np.array([0.0, 0.5, 1.5]), out=column)
    assert got is column
    assert matrix.tolist() == [[7, 0], [7, 0.5], [7, 0.5]]
