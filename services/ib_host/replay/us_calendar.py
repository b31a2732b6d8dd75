"""On which days New York's exchanges, and the futures exchanges beside them, are closed or close early."""

from datetime import date, timedelta
from functools import cache

_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 3, 4, 5, 6
_JUNETEENTH_SINCE = 2022

_UNSCHEDULED = frozenset(
    {
        *(date(2001, 9, day) for day in (11, 12, 13, 14)),
        date(2004, 6, 11),
        date(2007, 1, 2),
        date(2012, 10, 29),
        date(2012, 10, 30),
        date(2018, 12, 5),
        date(2025, 1, 9),
    }
)
"""Closed for attacks, storms and days of mourning."""

_UNUSUAL = frozenset({date(2002, 7, 3), date(2002, 7, 5), date(2003, 12, 26)})
"""Long where such days are short, or the other way round."""


def is_stock_session(day: date) -> bool:
    """Tell whether stocks are traded in New York on a day (rules of the exchange since 1998)."""
    return day.weekday() < _SATURDAY and day not in _holidays(day.year) and day not in _UNSCHEDULED


def is_short_stock_session(day: date) -> bool:
    """Tell whether trading in New York ends at 13:00: before Independence Day and Christmas, and after Thanksgiving."""
    if not is_stock_session(day):
        return False
    thanksgiving = _nth(day.year, 11, _THURSDAY, 4)
    usual = day == thanksgiving + timedelta(days=1) or (day.month, day.day) in {(7, 3), (12, 24)}
    return usual != (day in _UNUSUAL)


def is_futures_session(day: date) -> bool:
    """Tell whether index futures are traded on a day: they rest at New Year, Good Friday and Christmas only."""
    closed = {_observed(date(day.year, 1, 1)), good_friday(day.year), _observed(date(day.year, 12, 25))}
    return day.weekday() < _SATURDAY and day not in closed


def is_short_futures_session(day: date) -> bool:
    """Tell whether trading of index futures ends at noon: where New York is closed, or closes early."""
    return is_futures_session(day) and (not is_stock_session(day) or is_short_stock_session(day))


def is_currency_session(day: date) -> bool:
    """Tell whether currencies are traded on a day: on all weekdays but New Year's Day and Christmas."""
    return day.weekday() < _SATURDAY and (day.month, day.day) not in {(1, 1), (12, 25)}


def good_friday(year: int) -> date:
    """Return the Friday before Easter (the anonymous Gregorian algorithm)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    n = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * n) // 451
    month, day = divmod(h + n - 7 * m + 114, 31)
    return date(year, month, day + 1) - timedelta(days=2)


@cache
def _holidays(year: int) -> frozenset[date]:
    new_year = date(year, 1, 1)
    days = {
        _nth(year, 1, _MONDAY, 3),
        _nth(year, 2, _MONDAY, 3),
        good_friday(year),
        date(year, 5, 31) - timedelta(days=date(year, 5, 31).weekday()),
        _observed(date(year, 7, 4)),
        _nth(year, 9, _MONDAY, 1),
        _nth(year, 11, _THURSDAY, 4),
        _observed(date(year, 12, 25)),
    }
    # A New Year's Day on a Saturday is not made up for: the Friday before belongs to the old year.
    if new_year.weekday() != _SATURDAY:
        days.add(_observed(new_year))
    if year >= _JUNETEENTH_SINCE:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


def _observed(day: date) -> date:
    return day + timedelta(days={_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0))


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
