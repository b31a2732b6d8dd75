"""When a price first reaches a level."""

import numpy as np
from numpy.typing import NDArray


def bars_before_touch(highest: NDArray[np.float64], levels: NDArray[np.float64], *, most: int) -> NDArray[np.int64]:
    """Count for each bar the bars right after it that stay below its level.

    The running maximum over 1, 2, 4, 8, … bars is made once; each bar then takes the longest steps that do not reach
    its level, as in a binary search. This takes bars · log2(most) operations, however far away the levels are.

    Args:
        highest: Highest price of each bar, float64 [bars]. For a level below the price: the negated lowest prices.
        levels: Level of each bar, float64 [bars], negated likewise; reached by a price that is equal or higher. NaN is
            never reached.
        most: Where counting stops; at least 1.

    Returns:
        int64 [bars], between 0 and `most`, or less where the bars end before: the bar t + 1 + count is the one that
        reaches the level, if it exists and count < `most`.
    """
    count = len(highest)
    steps = most.bit_length()
    maxima = [np.append(highest, -np.inf)]  # beyond the last bar nothing is reached
    for power in range(steps - 1):
        window = maxima[-1].copy()
        width = min(1 << power, count)
        np.maximum(window[: count + 1 - width], maxima[-1][width:], out=window[: count + 1 - width])
        maxima.append(window)
    position = np.arange(1, count + 1)
    last = np.minimum(position + most, count)  # counting stops here
    for power in reversed(range(steps)):
        width = 1 << power
        below = ~(maxima[power][position] >= levels) & (position + width <= last)
        position[below] += width
    return position - np.arange(1, count + 1)
