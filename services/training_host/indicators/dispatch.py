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
    """Functions that compute indicators, by the class of the definition.

    Args:
        parts: Others whose functions these have too.
    """

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
