"""How much slower is one of two, from pairs of blocks that ran next to each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRIMMED = 0.1
"""Share of the pairs that is left out at each end: those in which somebody else had the processor."""
RESAMPLES = 1_000


@dataclass(frozen=True)
class Slowdown:
    """What a comparison gives; all as shares (0.01 is 1 %).

    Attributes:
        value: Trimmed mean of the pairs.
        low: Lower end of its 95 % interval.
        high: Upper end.
        total: All time of the one over all of the other, less 1; nothing is left out.
        pairs: How many.
    """

    value: float
    low: float
    high: float
    total: float
    pairs: int


def slowdown(on: Sequence[float], off: Sequence[float]) -> Slowdown:
    """Compare blocks pair by pair.

    Args:
        on: Times of the blocks with what is to be measured.
        off: Those of the blocks beside them, without.

    Returns:
        The trimmed mean of (on - off) / off, with a percentile bootstrap interval over the pairs (Efron and Tibshirani,
        An Introduction to the Bootstrap, 1993, section 13.3).
    """
    ratios = np.asarray(on) / np.asarray(off) - 1
    drawn = np.random.default_rng(1).choice(ratios, size=(RESAMPLES, len(ratios)))
    low, high = np.quantile(_trimmed_means(drawn), [0.025, 0.975])
    total = float(np.sum(on) / np.sum(off) - 1)
    return Slowdown(float(_trimmed_means(ratios[None])[0]), float(low), float(high), total, len(ratios))


def _trimmed_means(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the trimmed mean of each row."""
    cut = int(samples.shape[1] * TRIMMED)
    kept: NDArray[np.float64] = np.sort(samples, axis=1)[:, cut : samples.shape[1] - cut]
    return np.asarray(kept.mean(axis=1), dtype=np.float64)
