"""How far back one request may reach for bars of a length, and the words for it.

IB publishes which durations it takes for which bar sizes. Read the other way round, the table gives the largest safe
stretch of one request. A duration is read here in the strictest way, so that it never covers less than is meant: a year
as 365 days, a trading day as no more than one day of the calendar, and a week as an hour less than 7 days, because the
clocks may go forward in it.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.ib_host.bar_sizes import BarLength

_DAY: Final = timedelta(days=1)
_CLOCK_CHANGE: Final = timedelta(hours=1)
_SHORTEST_SECONDS: Final = 60
_MOST_TRADING_DAYS: Final = 5
_MOST_DATED_TRADING_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Duration:
    """How far a request reaches back from its end.

    Attributes:
        count: at least 1.
        unit: S for seconds, D for trading days, W, M or Y.
    """

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"

    @property
    def surely_covers(self) -> timedelta:
        """The stretch that is covered whichever way the duration is counted."""
        days = {"S": _DAY / 86_400, "D": _DAY, "W": 7 * _DAY, "M": 28 * _DAY, "Y": 365 * _DAY}
        changes = _CLOCK_CHANGE if self.unit in {"W", "M"} else timedelta()
        return self.count * days[self.unit] - changes


def longest_stretch(bar: BarLength) -> timedelta:
    """Return the largest stretch of time that one request for such bars may span."""
    limits = (
        (timedelta(seconds=1), timedelta(seconds=1800)),
        (timedelta(seconds=5), timedelta(seconds=3600)),
        (timedelta(seconds=15), timedelta(seconds=14_400)),
        (timedelta(seconds=30), timedelta(seconds=28_800)),
        (timedelta(minutes=1), _DAY),
        (timedelta(minutes=2), 2 * _DAY),
        (timedelta(minutes=20), 7 * _DAY),
        (timedelta(hours=8), 28 * _DAY),
    )
    return next((stretch for longest_bar, stretch in limits if bar.length <= longest_bar), 365 * _DAY)


def covering(stretch: timedelta, bar: BarLength) -> Duration:
    """Return the shortest duration in IB's words that surely covers a stretch: counts are rounded up.

    Beyond 365 days only years are allowed.

    Args:
        stretch: positive.
        bar: decides which units are allowed.
    """
    if longest_stretch(bar) < _DAY:
        return Duration(max(_SHORTEST_SECONDS, math.ceil(stretch / timedelta(seconds=1))), "S")
    days = math.ceil(stretch / _DAY)
    if bar.dated:
        if bar.length == _DAY and days <= _MOST_DATED_TRADING_DAYS:
            return Duration(days, "D")
        return Duration(math.ceil(days / 365), "Y")
    if days <= _MOST_TRADING_DAYS:
        return Duration(days, "D")
    return Duration(math.ceil((stretch + _CLOCK_CHANGE) / (7 * _DAY)), "W")
