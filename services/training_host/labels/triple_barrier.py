"""Labels by the barrier that the price touches first."""

import numpy as np
import talib
from numpy.typing import NDArray

from services.training_host.bars.series import Bars
from services.training_host.labels.first_touch import bars_before_touch
from services.training_host.labels.series import UNLABELLED, BarLabels

DOWN, FLAT, UP = 0, 1, 2


def triple_barrier(bars: Bars, *, upper_atr: float, lower_atr: float, max_bars: int, atr_period: int) -> BarLabels:
    """Label each bar by what comes first: the upper barrier (up), the lower one (down), or the end of waiting (flat).

    The barriers of a bar lie at its close + upper_atr · ATR and its close - lower_atr · ATR, with the average true
    range (Wilder's smoothing) up to and including the bar. The highs and lows of the bars after it touch them. Which
    of the two a bar that touches both has touched first is not known from it: it counts as down, so that no gain is
    learnt that may have been a loss. The method is López de Prado's (Advances in Financial Machine Learning, 2018,
    chapter 3) with the ATR as the measure of volatility.

    A bar has a label once its outcome is known: from the bar on that touches a barrier, or, untouched, from the bar
    `max_bars` after it on. Bars near the end, whose outcome is still open, have none; nor has a bar whose average true
    range is 0, as prices have not moved.

    Args:
        bars: Of one symbol.
        upper_atr: Distance of the upper barrier in average true ranges.
        lower_atr: Distance of the lower barrier.
        max_bars: Bars after which it is flat.
        atr_period: Bars of the average true range; the first as many bars have none, and no label.
    """
    classes = np.full(len(bars), UNLABELLED, np.int64)
    ends = np.full(len(bars), UNLABELLED, np.int64)
    if len(bars) <= atr_period:
        return BarLabels(classes, ends)
    atr: NDArray[np.float64] = talib.ATR(bars.high, bars.low, bars.close, atr_period)
    above = bars_before_touch(bars.high, bars.close + upper_atr * atr, most=max_bars)
    below = bars_before_touch(-bars.low, lower_atr * atr - bars.close, most=max_bars)
    untouched = np.minimum(above, below)
    rows = np.arange(len(bars))
    outcome = np.where(below <= above, DOWN, UP)
    outcome[untouched >= max_bars] = FLAT
    # The bar that decides: the first that touches, or the last that is waited for.
    decisive = rows + np.minimum(untouched + 1, max_bars)
    known = (atr > 0) & (decisive < len(bars))
    classes[known] = outcome[known]
    ends[known] = decisive[known]
    return BarLabels(classes, ends)
