"""Memberships equal their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training_host.fuzzy.function import membership
from services.training_host.strategy.membership import Gaussian, Trapezoidal, Triangular

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def at(kind: Triangular | Trapezoidal | Gaussian, *values: float) -> list[float]:
    return [float(value) for value in membership(kind, np.array(values))]


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


def test_bell_by_hand() -> None:
    bell = Gaussian(type="gaussian", parameters=[2, 1.5])
    assert at(bell, 2, 3.5, 0.5) == pytest.approx([1, math.exp(-0.5), math.exp(-0.5)])


def test_no_value_has_no_membership() -> None:
    assert math.isnan(at(Trapezoidal(type="trapezoidal", parameters=[0, 0, 1, 1]), math.nan)[0])
    assert math.isnan(at(Gaussian(type="gaussian", parameters=[0, 1]), math.nan)[0])


@given(st.lists(NUMBERS, min_size=4, max_size=4).map(sorted).filter(lambda points: points[0] < points[3]), NUMBERS)
def test_a_trapezoid_equals_its_formula(points: list[float], value: float) -> None:
    a, b, c, d = points
    got = at(Trapezoidal(type="trapezoidal", parameters=points), value)[0]
    if value < a or value > d:
        assert got == 0
    elif b <= value <= c:
        assert got == 1
    elif value < b:
        assert got == pytest.approx((value - a) / (b - a))
    else:
        assert got == pytest.approx((d - value) / (d - c))


@given(NUMBERS, st.floats(1e-3, 1e3), NUMBERS)
def test_a_bell_equals_its_formula(center: float, spread: float, value: float) -> None:
    got = at(Gaussian(type="gaussian", parameters=[center, spread]), value)[0]
    assert got == pytest.approx(math.exp(-((value - center) ** 2) / (2 * spread**2)))
    assert 0 <= got <= 1
