"""Small windows that tell a curve from its noise."""

from collections import deque
from collections.abc import Iterable
from typing import Final

_WINDOW: Final = 5
_NOISE_WINDOW: Final = 21


class Smoothed:
    """The median of the last five values.

    A median ignores single outliers, and follows a turn of the curve two values late.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_WINDOW)

    def __bool__(self) -> bool:
        """There is a value."""
        return bool(self._last)

    def take(self, value: float) -> None:
        """Look at the next value, a finite one."""
        self._last.append(value)

    @property
    def value(self) -> float:
        """The median."""
        return median(self._last)


class Jumps:
    """How much a curve jumps from one value to the next: the median of the last jumps.

    So the fall at the beginning of a training does not count for long.
    """

    __slots__ = ("_jumps", "_last")

    def __init__(self) -> None:
        self._jumps: deque[float] = deque(maxlen=_NOISE_WINDOW)
        self._last: float | None = None

    def take(self, value: float) -> None:
        """Look at the next value, a finite one."""
        if self._last is not None:
            self._jumps.append(abs(value - self._last))
        self._last = value

    @property
    def noise(self) -> float:
        """The usual jump; 0 while unknown."""
        return median(self._jumps) if self._jumps else 0.0


def median(values: Iterable[float]) -> float:
    """Return the median of a few values; the lower one of the middle where they are even."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]
