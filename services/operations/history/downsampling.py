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
        wanted = dict.fromkeys([count - 1, 0, *_extremes(values[None, 1:-1], 1).tolist()])
        return np.array(sorted(list(wanted)[:most]), np.int64)
    kept_of_a_stretch = 3 if np.isnan(values).any() else 2
    inner = values[1:-1]
    stretches = (most - 2) // kept_of_a_stretch
    width = -(-len(inner) // stretches)
    even = len(inner) // width * width  # what is left makes one stretch more, shorter than the others
    found = [np.array([0, count - 1]), _extremes(inner[:even].reshape(-1, width), 1)]
    if even < len(inner):
        found.append(_extremes(inner[None, even:], 1 + even))
    return np.unique(np.concatenate(found))


def _extremes(stretches: Numbers, start: int) -> Integers:
    """Return the positions of the highest value, the lowest and the first NaN of each stretch, where there are any.

    Args:
        stretches: A row for each.
        start: Position of the first value.
    """
    if not stretches.size:
        return np.empty(0, np.int64)
    nan = np.isnan(stretches)
    ends = np.fmax.reduce(stretches, axis=1), np.fmin.reduce(stretches, axis=1)
    found = [(stretches == extreme[:, None], ~np.isnan(extreme)) for extreme in ends]
    found.append((nan, nan.any(axis=1)))
    starts = np.arange(len(stretches), dtype=np.int64) * stretches.shape[1] + start
    return np.concatenate([(starts + where.argmax(axis=1))[present] for where, present in found])
