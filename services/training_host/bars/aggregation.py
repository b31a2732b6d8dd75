"""Longer bars out of shorter ones."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.periods import DAY_NS, intraday_ns, period_numbers
from services.training_host.bars.series import DATED_BY_SESSION, Bars


def aggregate(bars: Bars, timeframe: str) -> Bars:
    """Make bars of a longer timeframe.

    Periods are those of the clock and calendar, UTC: the hours 0 to 4, a date, Monday to Sunday, a month. A bar belongs
    to the period in which it ends, so that a longer bar never holds anything from after its own end, even where the
    shorter bars do not begin on whole minutes or hours. The first and the last longer bar may have only a part of
    their period.

    Args:
        bars: Ascending in time; `has_whole(timeframe, bars.timeframe)` has to hold.
        timeframe: Of the longer bars.

    Returns:
        Bars with the first open, highest high, lowest low, last close and the sum of the volumes (-1 where a shorter
        bar has none). Their time is the start of the period; of weeks and months the date of the last shorter bar.
    """
    if not len(bars):
        return replace(bars, timeframe=timeframe)
    instants = _last_instants(bars)
    numbers = period_numbers(instants, timeframe)
    first = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    last = np.append(first[1:], len(bars)) - 1
    length = intraday_ns(timeframe)
    times = numbers[last] * length if length else instants[last] // DAY_NS * DAY_NS
    return Bars(
        symbol=bars.symbol,
        timeframe=timeframe,
        times=times,
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=_volumes(bars.volume, first),
    )


def latest_of_each_period(bars: Bars) -> Bars:
    """Leave one bar for each week or month, the latest; bars of other timeframes stay as they are.

    A week that was read while it went on is stored under the date of its last session so far. When it is read again
    later, both are there.
    """
    if bars.timeframe not in DATED_BY_SESSION or not len(bars):
        return bars
    numbers = period_numbers(bars.times, bars.timeframe)
    return bars.where(np.append(numbers[1:] != numbers[:-1], True))


def _last_instants(bars: Bars) -> NDArray[np.int64]:
    """Return an instant of the period that each bar ends in: the last one of a bar, or the date of a daily bar."""
    length = intraday_ns(bars.timeframe)
    return bars.times if length is None else bars.times + (length - 1)


def _volumes(volumes: NDArray[np.float64], first: NDArray[np.int64]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.add.reduceat(volumes, first)
    return np.where(np.minimum.reduceat(volumes, first) < 0, -1.0, sums)
