"""Periods that bars stand for: minutes and hours of the clock, dates, ISO weeks and months of the calendar, all UTC."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.training_host.strategy.training_data import TIMEFRAMES

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
_UNIT_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600}
_MONDAY_SHIFT_DAYS: Final = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


def _lengths() -> Mapping[str, int]:
    lengths = {}
    for timeframe in TIMEFRAMES:
        number = timeframe.rstrip("abcdefghijklmnopqrstuvwxyz")
        if seconds := _UNIT_SECONDS.get(timeframe.removeprefix(number)):
            lengths[timeframe] = int(number) * seconds * SECOND_NS
    return lengths


_INTRADAY_NS: Final = _lengths()


def intraday_ns(timeframe: str) -> int | None:
    """Return the length of bars shorter than a day in nanoseconds; None for daily, weekly and monthly ones."""
    return _INTRADAY_NS.get(timeframe)


def period_numbers(instants: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Number the periods that instants lie in, ascending with time.

    Args:
        instants: int64 nanoseconds since 1970 UTC.
        timeframe: Length of the periods. Weeks begin on Monday.
    """
    if timeframe == "1month":
        return instants.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    if timeframe == "1w":
        return (instants // DAY_NS + _MONDAY_SHIFT_DAYS) // 7
    return instants // (intraday_ns(timeframe) or DAY_NS)


def next_period_start(instants: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Return when the period after that of each instant begins, nanoseconds since 1970 UTC."""
    following = period_numbers(instants, timeframe) + 1
    if timeframe == "1month":
        return following.astype("datetime64[M]").astype("datetime64[ns]").astype(np.int64)
    if timeframe == "1w":
        return (following * 7 - _MONDAY_SHIFT_DAYS) * DAY_NS
    return following * (intraday_ns(timeframe) or DAY_NS)


def has_whole(periods: str, shorter: str) -> bool:
    """Tell whether bars of one length fill periods of another without one lying on a border.

    Weeks do not fill months, and two minutes do not fill three.
    """
    long_ns, short_ns = intraday_ns(periods), intraday_ns(shorter)
    if long_ns is not None:
        return short_ns is not None and short_ns < long_ns and long_ns % short_ns == 0
    if periods == "1d":
        return short_ns is not None
    return short_ns is not None or shorter == "1d"
