"""Leave points of a curve out without hiding anything that matters in it."""

from typing import Final

import numpy as np

from services.operations.history.tables import Integers, Numbers

_SMALLEST: Final = 5
"""The first, the last, the highest, the lowest, and a NaN."""


def kept_points(values: Numbers, most: int) -> Integers:
    """Return the positions of the points to keep, in order.

    The first and the last point are kept. What lies between is cut into stretches of the same length, of each of which
    the lowest value, the highest and the first NaN are kept: a spike and a divergence stay visible however much is
    left out. With room for fewer than five points, the whole curve counts as one stretch and what matters most is
    kept: the last point, the first, the highest, the lowest.

    Args:
        values: The values of all points; NaN and infinities are values like others.
        most: Most points to keep, at least 1.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    if most < _SMALLEST:
        wanted = dict.fromkeys([count - 1, 0, *_extremes(values[1:-1], 1).tolist()])
        return np.array(sorted(list(wanted)[:most]), np.int64)
    kept_of_a_stretch = 3 if np.isnan(values).any() else 2
    inner = _extremes(values[1:-1], (most - 2) // kept_of_a_stretch)
    return np.unique(np.concatenate([[0, count - 1], inner]))


def _extremes(values: Numbers, stretches: int) -> Integers:
    """Return the positions of the highest value, the lowest and the first NaN of each stretch, where there are any.

    The positions count from the point before `values`.
    """
    if not len(values):
        return np.empty(0, np.int64)
    width = -(-len(values) // stretches)
    filled = np.full(-(-len(values) // width) * width, np.nan)
    filled[: len(values)] = values
    grid = filled.reshape(-1, width)
    nan = np.isnan(grid)
    nan.reshape(-1)[len(values) :] = False  # what fills the last stretch up is no point
    ends = np.fmax.reduce(grid, axis=1), np.fmin.reduce(grid, axis=1)
    found = [(grid == extreme[:, None], ~np.isnan(extreme)) for extreme in ends]
    found.append((nan, nan.any(axis=1)))
    starts = np.arange(len(grid), dtype=np.int64) * width + 1
    return np.concatenate([(starts + where.argmax(axis=1))[present] for where, present in found])
