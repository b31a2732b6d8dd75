"""The one factor that leads from some prices to others, if there is one."""

import math
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NOISE: Final = 1e-9
"""Relative difference up to which two prices are the same. The rounding of a few float operations moves a price by some
1e-16 of it; the smallest tick of anything IB has is above 1e-8 of its price."""
_MOST_DECIMALS: Final = 8
_CENTS: Final = 2
_TELLING_PRICES: Final = 4
_LARGEST_PLAIN: Final = 20
_LARGEST_RATIO: Final = 1000
_CUSTOMARY_PARTS: Final = (1, 2, 3, 4, 5, 10, 20)


class Factor(NamedTuple):
    """Every factor that is possible, given that prices are rounded.

    Attributes:
        low, high: the smallest and largest; above 0.
    """

    low: float
    high: float

    @property
    def value(self) -> float:
        """The plain ratio among them, such as 2/3, or else the middle."""
        plain = self.plain
        return float(plain) if plain is not None else (self.low + self.high) / 2

    @property
    def plain(self) -> Fraction | None:
        """The ratio of two small whole numbers among them, as splits have it: 1/2, 10, 20/21. None: there is none.

        One of the numbers is at most 20, the other at most 1000. Where rounding leaves several, the customary one
        counts: whole shares for one, then parts of up to a fifth, then steps of 10 and 5 %, as stock dividends have.
        """
        if self.high < 1.0:
            inverse = Factor(1.0 / self.high, 1.0 / self.low).plain
            return 1 / inverse if inverse is not None else None
        for parts in _CUSTOMARY_PARTS:
            found = Fraction(round((self.low + self.high) / 2 * parts), parts)
            if self.low <= found <= self.high and found.numerator <= _LARGEST_RATIO:
                return found
        found = _simplest(Fraction(self.low), Fraction(self.high))
        small, large = sorted((found.numerator, found.denominator))
        return found if small <= _LARGEST_PLAIN and large <= _LARGEST_RATIO else None


def same(stored: Floats, received: Floats) -> Flags:
    """Tell for each price whether it is the same but for the noise of float arithmetic; two that are no numbers are."""
    return np.isclose(received, stored, rtol=NOISE, atol=0.0, equal_nan=True)


def rounding(prices: Floats) -> float:
    """Return by how much rounding can have moved a price: half of their last decimal; 0: they have many."""
    finite = prices[np.isfinite(prices)]
    # A few prices without cents do not show that there are none.
    fewest = 0 if len(np.unique(finite)) >= _TELLING_PRICES else _CENTS
    for decimals in range(fewest, _MOST_DECIMALS + 1):
        if bool(np.isclose(np.round(finite, decimals), finite, rtol=NOISE, atol=0.0).all()):
            return 0.5 * 10.0**-decimals
    return 0.0


def common_factor(
    stored: Floats,
    received: Floats,
    *,
    stored_rounding: float,
    received_rounding: float,
) -> Factor | None:
    """Return the factors f with received = stored x f for all prices, each of both rounded; None: there is none.

    Args:
        stored: prices.
        received: the same, in the same order.
        stored_rounding: by how much rounding can have moved a stored price, as `rounding` returns it.
        received_rounding: the same of a received one.
    """
    old, new = np.abs(stored).ravel(), np.abs(received).ravel()
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        return None
    old_slack = stored_rounding + old * NOISE
    new_slack = received_rounding + new * NOISE
    opposite = (np.sign(stored) * np.sign(received) < 0).ravel()
    if bool((opposite & ((old > old_slack) | (new > new_slack))).any()):
        return None
    counts = old > old_slack
    if not counts.any():
        return None
    low = float(((new - new_slack)[counts] / (old + old_slack)[counts]).max())
    high = float(((new + new_slack)[counts] / (old - old_slack)[counts]).min())
    tiny = ~counts
    if bool((new[tiny] - new_slack[tiny] > high * (old + old_slack)[tiny]).any()):
        return None
    return Factor(low, high) if 0.0 < low <= high and math.isfinite(high) else None


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """Return the fraction with the smallest numerator and denominator in [low, high], by their continued fraction."""
    whole = -(-low.numerator // low.denominator)
    if whole <= high:
        return Fraction(whole)
    below = whole - 1
    return below + 1 / _simplest(1 / (high - below), 1 / (low - below))
