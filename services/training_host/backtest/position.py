"""Positions in one symbol, held from one close to the next."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class HeldPositions:
    """What positions brought from bar to bar. Nothing depends on later bars than its own.

    Attributes:
        returns: float64 [bars], before costs.
        costs: float64 [bars], as a return.
        changes: bool [bars + 1]: whether the position was changed at the close that each bar begins with, and at the
            last one.
    """

    returns: NDArray[np.float64]
    costs: NDArray[np.float64]
    changes: NDArray[np.bool_]


def hold_positions(close: NDArray[np.float64], positions: NDArray[np.int8], *, cost: float) -> HeldPositions:
    """Follow positions with the whole of a constant capital.

    The position that is decided at a close is held until the next one: return = position · (next close / close - 1).
    Each change costs `cost` · |change|, so that turning from long to short costs twice as much as leaving. It begins
    and ends without a position: the cost of leaving at the end is part of the last bar.

    Args:
        close: float64 [bars + 1]: the close at which each bar begins, and the last one.
        positions: int8 [bars]: 1 long, -1 short, 0 none, decided at the close that each bar begins with.
        cost: Share of the traded value.
    """
    held = positions.astype(np.float64)
    traded = np.abs(np.diff(held, prepend=0.0, append=0.0))
    costs = traded[:-1] * cost
    costs[-1] += traded[-1] * cost
    return HeldPositions(held * (close[1:] / close[:-1] - 1), costs, traded > 0)
