"""Bars of a day, a week or a month beside the sessions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

import numpy as np

from services.ib_host.bar_sizes import BarLength
from services.ib_host.store.columns import microseconds
from services.ib_host.verdict.gaps import GapSearch
from services.ib_host.verdict.grid import Slots, Times
from services.ib_host.verdict.hours import Hours

_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_MICROSECONDS: Final = 86_400_000_000
_MONDAY: Final = 3
"""Day 0 of the Unix epoch was a Thursday, the fourth day of its week."""


class _Period(NamedTuple):
    """The trading days of one bar.

    Attributes:
        first, last: the first and the last of them.
        closes: when the last session of them ends.
    """

    first: date
    last: date
    closes: datetime


def compare_dated(
    hours: Hours,
    bar: BarLength,
    search: GapSearch,
    stored: Times,
    *,
    now: datetime | None,
) -> int:
    """Compare bars with the days that have a session; return how many bars belong to none.

    A bar of a week or a month is expected where one of its days has a session, all of them are in the range, and the
    last is over. Whatever day of its week or month it is dated with, it is that week's or month's.

    Args:
        hours: the sessions of the range, which begins and ends at midnights.
        bar: length of the bars.
        search: gathers what is missing.
        stored: times of the bars in the range, ascending, in microseconds since the Unix epoch.
        now: sessions that end later are not expected yet; None: all are.
    """
    known = hours.known
    if known is None:
        return 0
    periods: dict[int, _Period] = {}
    for session in hours.sessions:
        number = int(_numbers(np.array([_midnight(session.date)], dtype=np.int64), bar)[0])
        before = periods.get(number)
        first = min(before.first, session.date) if before else session.date
        closes = max(before.closes, session.end) if before else session.end
        periods[number] = _Period(first, max(before.last, session.date) if before else session.date, closes)
    low, high = np.searchsorted(stored, (microseconds(known[0]), microseconds(known[1])))
    there = _numbers(stored[low:high], bar)
    has_bar = set(there.tolist())
    expected = [
        (number, period)
        for number, period in sorted(periods.items())
        if number in has_bar or _is_due(period, known[0].date(), _last_date(known[1]), now)
    ]
    slots = Slots(
        times=_column([_midnight(period.last if bar.length > _DAY else period.first) for _, period in expected]),
        ends=_column([_midnight(period.last + _DAY) for _, period in expected]),
        days=_column([period.last.toordinal() for _, period in expected]),
    )
    search.add(slots, np.array([number not in has_bar for number, _ in expected], dtype=bool))
    return int((~np.isin(there, list(periods))).sum())


def _is_due(period: _Period, first: date, last: date, now: datetime | None) -> bool:
    return first <= period.first and period.last <= last and (now is None or period.closes <= now)


def _last_date(end: datetime) -> date:
    return (end - timedelta(microseconds=1)).date()


def _numbers(times: Times, bar: BarLength) -> Times:
    """Number the days, weeks or months that times lie in."""
    days = times // _MICROSECONDS
    if bar.length == _DAY:
        return days
    if bar.length == _WEEK:
        return (days + _MONDAY) // 7
    months: Times = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _midnight(day: date) -> int:
    return microseconds(datetime.combine(day, time(), UTC))


def _column(values: Sequence[int]) -> Times:
    return np.array(values, dtype=np.int64)
