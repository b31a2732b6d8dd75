"""How definitions find their arithmetic."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.series import Bars
from services.training_host.indicators.model import IndicatorDefinition

Values = NDArray[np.float64]
Outputs = tuple[Values, ...]
"""The outputs of an indicator in the order of its definition, float64 of the bars' length each."""

Kind = TypeVar("Kind", bound=IndicatorDefinition)


class Calculations:
    """Functions that compute indicators, by the class of the definition."""

    def __init__(self, parts: Iterable["Calculations"] = ()) -> None:
        self._functions: dict[type[IndicatorDefinition], Callable[..., Outputs]] = {}
        for part in parts:
            self._functions |= part._functions  # noqa: SLF001  # of its own class

    def of(self, kind: type[Kind]) -> Callable[[Callable[[Kind, Bars], Outputs]], Callable[[Kind, Bars], Outputs]]:
        """Mark the function that computes a kind of indicator."""

        def mark(function: Callable[[Kind, Bars], Outputs]) -> Callable[[Kind, Bars], Outputs]:
            self._functions[kind] = function
            return function

        return mark

    def compute(self, indicator: IndicatorDefinition, bars: Bars) -> Outputs:
        """Compute an indicator over bars."""
        return self._functions[type(indicator)](indicator, bars)


def percent_of(part: Values, whole: Values) -> Values:
    """Return part / whole · 100, written over `part`."""
    part /= whole
    part *= 100.0
    return part


def distance(close: Values, average: Values) -> Values:
    """Return close - average in percent of the close.

    Of the close, because averages that overshoot (DEMA, TEMA, T3) may come down to 0 after a crash.
    """
    return percent_of(close - average, close)


def channel(close: Values, upper: Values, middle: Values, lower: Values) -> Outputs:
    """Return the bands, the place of the close between them, and their width as a share of the middle."""
    width = upper - lower
    # Where all prices of a window are equal the bands touch: the close is in their middle.
    place = np.where(np.isnan(width), np.nan, 0.5)
    np.divide(close - lower, width, out=place, where=width > 0)
    width /= middle
    return upper, middle, lower, place, width
