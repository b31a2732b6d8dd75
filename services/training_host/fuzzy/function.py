"""Memberships of values in fuzzy sets."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.strategy.membership import Gaussian, Trapezoidal, Triangular


def membership(kind: Triangular | Trapezoidal | Gaussian, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute how much values belong to a set.

    Args:
        kind: The function and its parameters.
        values: Of an indicator, any shape.

    Returns:
        Memberships between 0 and 1, of the same shape; NaN where the value is NaN.
    """
    match kind:
        case Triangular(parameters=[left, peak, right]):
            return _trapezoid(values, left, peak, peak, right)
        case Trapezoidal(parameters=[left, top_left, top_right, right]):
            return _trapezoid(values, left, top_left, top_right, right)
        case Gaussian(parameters=[center, spread]):
            bell: NDArray[np.float64] = np.exp(-((values - center) ** 2) / (2 * spread**2))
            return bell
    raise AssertionError(kind)  # validation has counted the parameters


def _trapezoid(
    values: NDArray[np.float64], left: float, top_left: float, top_right: float, right: float
) -> NDArray[np.float64]:
    """max(0, min((x - a) / (b - a), 1, (d - x) / (d - c))); a side of no width is a step, and its end point belongs."""
    rise = (values - left) / (top_left - left) if top_left > left else np.where(values >= left, 1.0, 0.0)
    fall = (right - values) / (right - top_right) if right > top_right else np.where(values <= right, 1.0, 0.0)
    inside: NDArray[np.float64] = np.clip(np.minimum(rise, fall), 0.0, 1.0)
    return np.where(np.isnan(values), np.nan, inside)
