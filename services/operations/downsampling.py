"""Leave points of a curve out without hiding anything that matters in it."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

_KEPT_OF_A_STRETCH: Final = 3
_SMALLEST: Final = 2 + _KEPT_OF_A_STRETCH


def kept_points(values: Sequence[float], most: int) -> list[int]:
    """Return the positions of the points to keep, in order.

    The first and the last point are kept. What lies between is cut into equal stretches, of each of which the lowest
    value, the highest and the first NaN are kept: a spike and a divergence stay visible however much is left out.
    With room for fewer than five points, the whole curve counts as one stretch and what matters most is kept: the last
    point, the first, the highest, the lowest.

    Args:
        values: The values of all points; NaN and infinities are values like others.
        most: Most points to keep, at least 1.
    """
    count = len(values)
    if count <= most:
        return list(range(count))
    if most < _SMALLEST:
        wanted = dict.fromkeys([count - 1, 0, *_extremes(values, 1, count - 1)])
        return sorted(list(wanted)[:most])
    stretches = (most - 2) // _KEPT_OF_A_STRETCH
    kept = {0, count - 1}
    for start, end in _stretches(1, count - 1, stretches):
        kept.update(_extremes(values, start, end))
    return sorted(kept)


def _stretches(start: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    width = (end - start) / number
    for place in range(number):
        yield start + round(place * width), start + round((place + 1) * width)


def _extremes(values: Sequence[float], start: int, end: int) -> list[int]:
    """Return the positions of the highest value, the lowest and the first NaN in a stretch, where there are any."""
    numbers = [place for place in range(start, end) if not math.isnan(values[place])]
    found = [max(numbers, key=values.__getitem__), min(numbers, key=values.__getitem__)] if numbers else []
    if len(numbers) < end - start:
        found.append(next(place for place in range(start, end) if math.isnan(values[place])))
    return found
