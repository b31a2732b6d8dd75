"""Memberships of values in fuzzy sets."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.training_host.features.blocks import row_blocks
from services.training_host.strategy.membership import Gaussian, Shape, Trapezoidal, Triangular

Values = NDArray[np.float64]


def membership(kind: Shape, values: NDArray[np.float64], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Compute how much values belong to a set.

    Args:
        kind: The function and its parameters.
        values: Of an indicator, any shape but a single number.
        out: Written to and returned instead of a new array; of the same shape, such as a column of a matrix.

    Returns:
        Memberships between 0 and 1, of the same shape; NaN where the value is NaN.
    """
    result = np.empty(values.shape) if out is None else out
    function = _function(kind)
    # A value that is too far away to be subtracted from is infinitely far away, and belongs to no set.
    with np.errstate(over="ignore"):
        for rows in row_blocks(len(values)):
            result[rows] = function(values[rows])
    return result


def _function(kind: Shape) -> Callable[[Values], Values]:
    match kind:
        case Triangular(parameters=[left, peak, right]):
            return partial(_trapezoid, left=left, top_left=peak, top_right=peak, right=right)
        case Trapezoidal(parameters=[left, top_left, top_right, right]):
            return partial(_trapezoid, left=left, top_left=top_left, top_right=top_right, right=right)
        case Gaussian(parameters=[center, spread]):
            return partial(_bell, center=center, spread=spread)
    raise AssertionError(kind)  # validation has counted the parameters


def _bell(values: Values, *, center: float, spread: float) -> Values:
    """exp(-((x - center) / spread)² / 2)."""
    distance = values - center
    distance /= spread  # before it is squared: the square of a tiny spread is 0
    distance *= distance
    distance *= -0.5
    return np.exp(distance, out=distance)


def _trapezoid(values: Values, *, left: float, top_left: float, top_right: float, right: float) -> Values:
    """max(0, min((x - a) / (b - a), 1, (d - x) / (d - c))); a side of no width is a step, and its end point belongs."""
    rises, falls = top_left > left, right > top_right
    degree = _ramp(values - left, top_left - left) if rises else np.where(np.isnan(values), np.nan, 1.0)
    if falls:
        np.minimum(degree, _ramp(right - values, right - top_right), out=degree)
    np.clip(degree, 0.0, 1.0, out=degree)
    if not rises:
        degree[values < left] = 0.0
    if not falls:
        degree[values > right] = 0.0
    return degree


def _ramp(distance: Values, width: float) -> Values:
    distance /= width
    return distance
