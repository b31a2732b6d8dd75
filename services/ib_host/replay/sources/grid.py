"""The grid that bars of less than a day lie on: it begins at the local midnight of their session."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from services.ib_host.replay.bars import Bar, merged

_SECOND = timedelta(seconds=1)


def grid_end(start: datetime, midnight: datetime, seconds: int) -> datetime:
    """Return the instant at which the bar that starts at `start` is over.

    Args:
        start: aware; not necessarily on the grid, as sessions may open within a bar.
        midnight: aware, the local midnight before it.
        seconds: length of the bars.
    """
    return midnight + ((start - midnight) // (seconds * _SECOND) + 1) * (seconds * _SECOND)


def on_grid(bars: Sequence[Bar], seconds: int, *, midnight: datetime, opening: datetime) -> Sequence[Bar]:
    """Return the longer bars that ascending bars of one session make up.

    Args:
        bars: each with a start.
        seconds: length of the longer bars.
        midnight: aware, the local midnight at which the session's day begins.
        opening: aware; the first bar begins there when it would begin before.
    """
    step = seconds * _SECOND

    def place(bar: Bar) -> int:
        assert bar.start is not None
        return (bar.start - midnight) // step

    return [merged(list(group), max(midnight + number * step, opening)) for number, group in groupby(bars, key=place)]
