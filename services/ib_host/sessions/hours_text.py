"""Hours of contracts, in the notation of the gateway."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from services.ib_host.sessions.weekly import Interval, Week

_INTERVAL: Final = re.compile(r"(?:(\d{8}):)?(\d{2}):?(\d{2})-(?:(\d{8}):)?(\d{2}):?(\d{2})", re.ASCII)
_DAY_TEXT: Final = re.compile(r"(\d{8}):(.*)", re.ASCII)
_CLOSED: Final = "CLOSED"
_MINUTES_OF_A_DAY: Final = 1440
_FIRST_YEAR: Final = 1900
_SUNDAY: Final = 6
_WORKDAYS: Final = range(5)

Days = Mapping[date, Sequence[Interval]]


def parse_hours(text: str) -> Days:
    """Read hours of some days.

    "20130301:0930-20130301:1600;20130302:CLOSED", and the older "20130301:0930-1600,1630-1800". In the older notation a
    stretch that ends before it begins has begun on the day before: "20131210:1700-1515,1530-1615".

    Returns:
        The intervals of each day that is named, ascending; none for a day that is closed. A stretch over midnight
        belongs to the day of its end.

    Raises:
        ValueError: the text is in another notation.
    """
    days: dict[date, list[Interval]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = _DAY_TEXT.fullmatch(part)
        if match is None:
            raise _unreadable(part)
        named, rest = _date(match[1]), match[2].strip()
        if rest == _CLOSED:
            days.setdefault(named, [])
            continue
        for stretch in rest.split(","):
            day, interval = _interval(stretch.strip(), named)
            days.setdefault(day, []).append(interval)
    return {day: sorted(set(days[day])) for day in sorted(days)}


def weekly_pattern(days: Days) -> Week:
    """Return the week that some days are samples of.

    The gateway tells the next days only. A working day that is not among them, or closed in all of them, which is a
    holiday then, gets the hours that most other working days have. Where there is trading on Sundays by day, as in the
    Middle East, a closed working day stays closed.
    """
    week: dict[int, Sequence[Interval]] = {}
    for day, intervals in days.items():
        if intervals and len(intervals) >= len(week.get(day.weekday(), ())):
            week[day.weekday()] = intervals
    usual = Counter(tuple(week[weekday]) for weekday in _WORKDAYS if weekday in week).most_common(1)
    if usual and _SUNDAY not in week:
        for weekday in _WORKDAYS:
            week.setdefault(weekday, usual[0][0])
    return week


def _interval(text: str, named: date) -> tuple[date, Interval]:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise _unreadable(text)
    first = _date(match[1]) if match[1] else named
    last = _date(match[4]) if match[4] else None
    start, end = _minutes(match[2], match[3]), _minutes(match[5], match[6])
    if last is None:
        last = first
        first = first - timedelta(days=1) if end <= start else first
    if end == 0 and last > first:
        last, end = last - timedelta(days=1), _MINUTES_OF_A_DAY
    start -= (last - first).days * _MINUTES_OF_A_DAY
    if not 0 < end - start <= 2 * _MINUTES_OF_A_DAY:
        raise _unreadable(text)
    return last, Interval(start, end)


def _minutes(hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or total > _MINUTES_OF_A_DAY:
        raise _unreadable(f"{hours}{minutes}")
    return total


def _date(text: str) -> date:
    day = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 -- a day at the exchange has no zone
    if day.year < _FIRST_YEAR:
        raise _unreadable(text)
    return day


def _unreadable(text: str) -> ValueError:
    return ValueError(f"{text!r} is not in the gateway's notation of hours")
