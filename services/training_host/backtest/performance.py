"""Return and risk of a series of returns."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.backtest.report import Performance


def performance(returns: NDArray[np.float64], *, bars_per_year: float) -> Performance:
    """Sum up returns on constant capital.

    The Sharpe ratio is the mean over the standard deviation (of a sample, divisor n - 1) times √bars_per_year (Sharpe
    1994, with a riskless rate of 0).

    Args:
        returns: float64 [bars], in the order of time, at least one.
        bars_per_year: How many of them there are in a year.
    """
    summed = np.concatenate([[0.0], np.cumsum(returns)])
    varies = len(returns) > 1 and np.ptp(returns) > 0
    sharpe = float(returns.mean() / returns.std(ddof=1) * np.sqrt(bars_per_year)) if varies else None
    return Performance(
        total_return=float(summed[-1]),
        sharpe_ratio=sharpe,
        max_drawdown=float((np.maximum.accumulate(summed) - summed).max()),
    )
