"""How far back one request may reach for bars of a length, and the words for it.

IB publishes which durations it takes for which bar sizes. Read the other way round, the table gives the largest safe
stretch of one request. For bars of 30 seconds or less it is a limit; for longer ones a guideline, beyond which answers
may become slow. A duration is read here in the strictest way, so that it never covers less than is meant: a year as 365
days, a month as 28, a trading day as no more than one day of the calendar, and weeks and months as an hour less,
because the clocks may go forward in them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.ib_host.bar_sizes import BarLength

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_CLOCK_CHANGE: Final = timedelta(hours=1)
_SHORTEST_SECONDS: Final = 60
_SHORTEST_SECONDS_OF_MINUTES: Final = 1800
_MOST_SECONDS_OF_MINUTES: Final = timedelta(seconds=28_800)
_MOST_TRADING_DAYS: Final = 5
_MOST_DATED_TRADING_DAYS: Final = 30
_MOST_MONTHS: Final = 6
_LAST_SHORT: Final = timedelta(seconds=30)


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


@dataclass(frozen=True, slots=True)
class Ladder:
    """The durations that requests for bars of a length are made with, so that sizes can adapt.

    Attributes:
        rungs: ascending.
        safe: index of the largest that IB's table has.
    """

    rungs: Sequence[Duration]
    safe: int


def longest_stretch(bar: BarLength) -> timedelta:
    """Return the largest stretch of time that IB's table has for one request for such bars."""
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


def longest_in_seconds(bar: BarLength) -> timedelta:
    """Return the largest stretch that is asked for in seconds, of bars shorter than an hour."""
    return longest_stretch(bar) if bar.length <= _LAST_SHORT else _MOST_SECONDS_OF_MINUTES


def ladder(bar: BarLength) -> Ladder:
    """Return the durations for bars of a length; those of 30 seconds or less have none beyond IB's table."""
    if bar.length <= _LAST_SHORT:
        seconds = [longest_stretch(bar) // _SECOND]
        while seconds[0] > _SHORTEST_SECONDS:
            seconds.insert(0, max(_SHORTEST_SECONDS, seconds[0] // 2))
        return Ladder([Duration(count, "S") for count in seconds], len(seconds) - 1)
    if bar.length > _DAY:  # none that is so short that it may hold no whole week or month
        return _ladder(["3 M", "6 M", "1 Y", "2 Y", "3 Y", "5 Y", "8 Y", "12 Y", "20 Y", "30 Y"], "1 Y")
    if bar.dated:
        return _ladder(["15 D", "30 D", "3 M", "6 M", "1 Y", "2 Y", "3 Y", "5 Y", "8 Y", "12 Y", "15 Y"], "1 Y")
    weeks = [f"{count} W" for count in (1, 2, 3, 4, 6, 8, 12, 16, 26, 52)]
    if bar.length >= _HOUR:
        return _ladder(["2 D", "3 D", "5 D", *weeks], "4 W")
    parts = ["3600 S", "7200 S", "14400 S", "28800 S", "1 D", "2 D", "3 D", "5 D"]
    safe = next(
        words
        for longest, words in ((_MINUTE, "1 D"), (2 * _MINUTE, "2 D"), (20 * _MINUTE, "1 W"), (_HOUR, "4 W"))
        if bar.length <= longest
    )
    return _ladder([*parts, *weeks], safe)


def covering(stretch: timedelta, bar: BarLength) -> Duration:
    """Return the shortest duration in IB's words that surely covers a stretch: counts are rounded up.

    Beyond 365 days only years are allowed, and seconds only where the table has them: bars of an hour and more would
    begin in the middle.

    Args:
        stretch: positive.
        bar: decides which units are allowed.
    """
    seconds = math.ceil(stretch / _SECOND)
    if bar.length <= _LAST_SHORT:
        return Duration(max(_SHORTEST_SECONDS, seconds), "S")
    if bar.length < _HOUR and stretch <= longest_in_seconds(bar):
        return Duration(max(_SHORTEST_SECONDS_OF_MINUTES, seconds), "S")
    days = math.ceil(stretch / _DAY)
    if bar.dated:
        if bar.length == _DAY and days <= _MOST_DATED_TRADING_DAYS:
            return Duration(days, "D")
        months = math.ceil((stretch + _CLOCK_CHANGE) / (28 * _DAY))
        return Duration(months, "M") if months <= _MOST_MONTHS else Duration(math.ceil(days / 365), "Y")
    if days <= _MOST_TRADING_DAYS:
        return Duration(days, "D")
    return Duration(math.ceil((stretch + _CLOCK_CHANGE) / (7 * _DAY)), "W")


def _ladder(words: Sequence[str], safe: str) -> Ladder:
    rungs = [Duration(int(word.split()[0]), word.split()[1]) for word in words]
    return Ladder(rungs, words.index(safe))
