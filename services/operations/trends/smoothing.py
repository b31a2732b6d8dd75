"""Small windows that tell a curve from its noise."""

import math
from collections import deque
from typing import Final

_WINDOW: Final = 5
_NOISE_WINDOW: Final = 21


class Smoothed:
    """The median of the last five values, and how much the curve jumps from one to the next.

    A median ignores single outliers, and follows a turn of the curve two values late. The noise is the median of the
    last jumps, so that the fall at the beginning of a training does not count for long.
    """

    __slots__ = ("_jumps", "_last", "value")

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_WINDOW)
        self._jumps: deque[float] = deque(maxlen=_NOISE_WINDOW)
        self.value = math.nan

    def take(self, value: float) -> None:
        """Look at the next value, a finite one."""
        last = self._last
        if last:
            self._jumps.append(abs(value - last[-1]))
        last.append(value)
        self.value = median(last)

    @property
    def noise(self) -> float:
        """How much the curve jumps; 0 while unknown."""
        return median(self._jumps) if self._jumps else 0.0


def median(values: "deque[float]") -> float:
    """Return the median of a few values; the lower one of the middle where they are even."""
    return sorted(values)[(len(values) - 1) // 2]
