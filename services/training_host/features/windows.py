"""Rows whose whole window of inputs is there."""

import numpy as np
from numpy.typing import NDArray


def whole_windows(matrix: NDArray[np.float64], length: int) -> NDArray[np.bool_]:
    """Tell for each row whether it and the rows before it, `length` in all, have finite inputs only.

    Args:
        matrix: float64 [bars, inputs] of one symbol, in the order of time.
        length: Rows in a window.
    """
    rows = np.arange(len(matrix))
    finite = np.isfinite(matrix).all(axis=1)
    last_gap = np.maximum.accumulate(np.where(finite, -1, rows)) if len(matrix) else rows
    whole: NDArray[np.bool_] = rows - last_gap >= length
    return whole
