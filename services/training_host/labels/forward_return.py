"""Labels by the return over the next bars."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.labels.series import UNLABELLED, BarLabels

DOWN, FLAT, UP = 0, 1, 2


def forward_return(close: NDArray[np.float64], *, horizon: int, threshold: float | None) -> BarLabels:
    """Label each bar by close[t + horizon] / close[t] - 1: up from `threshold` on, down to -`threshold`, else flat.

    The last `horizon` bars have no label.

    Args:
        close: Last prices, float64 [bars].
        horizon: Bars to look ahead.
        threshold: Return, 0.02 for 2 %; None where the return itself is the label, and there are no classes.
    """
    classes = np.full(len(close), UNLABELLED, np.int64)
    ends = np.full(len(close), UNLABELLED, np.int64)
    labelled = max(0, len(close) - horizon)
    if threshold is not None:
        returns = close[horizon:] / close[:labelled] - 1
        classes[:labelled] = np.where(returns >= threshold, UP, np.where(returns <= -threshold, DOWN, FLAT))
    ends[:labelled] = np.arange(labelled) + horizon
    return BarLabels(classes, ends)
