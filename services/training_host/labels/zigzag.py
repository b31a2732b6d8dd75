"""Labels by the swings of the close."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.training_host.labels.series import UNLABELLED, BarLabels

DOWN, UP = 0, 1


@dataclass(frozen=True)
class Swing:
    """A turning point.

    Attributes:
        bar: Where the extreme is.
        is_high: A high, from which prices fell; else a low.
        confirmed_at: Bar whose close is `threshold` away from the extreme: from then on the swing is known.
    """

    bar: int
    is_high: bool
    confirmed_at: int


def find_swings(close: NDArray[np.float64], *, threshold: float) -> list[Swing]:
    """Find the confirmed swings in the order of time.

    A high is confirmed by a close at or below high * (1 - threshold), a low by one at or above low * (1 + threshold).
    The extreme after the last confirmed swing is not one yet: what comes may still exceed it.

    Args:
        close: Last prices, float64 [bars], positive.
        threshold: Reversal, 0.05 for 5 %.
    """
    swings: list[Swing] = []
    prices: list[float] = close.tolist()
    high = low = 0  # the extremes since the last swing; before the first, either may turn out to be one
    seeks_high = seeks_low = True
    for bar, price in enumerate(prices):
        high = bar if price > prices[high] else high
        low = bar if price < prices[low] else low
        if seeks_high and price <= prices[high] * (1 - threshold):
            swings.append(Swing(high, is_high=True, confirmed_at=bar))
            seeks_high, seeks_low, low = False, True, bar
        elif seeks_low and price >= prices[low] * (1 + threshold):
            swings.append(Swing(low, is_high=False, confirmed_at=bar))
            seeks_high, seeks_low, high = True, False, bar
    return swings


def zigzag(close: NDArray[np.float64], *, threshold: float) -> BarLabels:
    """Label each bar by the way to the next swing: up before a high, down before a low.

    A label is known once that swing is confirmed. Bars before the first swing (whose move began before the data), and
    bars from the last one on (whose move may go on), have no label.

    Args:
        close: Last prices, float64 [bars], positive.
        threshold: Reversal that confirms a swing, 0.05 for 5 %.
    """
    classes = np.full(len(close), UNLABELLED, np.int64)
    ends = np.full(len(close), UNLABELLED, np.int64)
    swings = find_swings(close, threshold=threshold)
    for start, end in pairwise(swings):
        classes[start.bar : end.bar] = UP if end.is_high else DOWN
        ends[start.bar : end.bar] = end.confirmed_at
    return BarLabels(classes, ends)
