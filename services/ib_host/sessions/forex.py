"""The hours of currencies."""

from typing import Final
from zoneinfo import ZoneInfo

from services.ib_host.sessions.weekly import Interval, WeeklyCalendar

_OPENS: Final = 17 * 60 + 15 - 24 * 60
_CLOSES: Final = 17 * 60
_WEEKDAYS: Final = range(5)


def forex_calendar() -> WeeklyCalendar:
    """Return the hours in which IB trades currencies: Sunday 17:15 to Friday 17:00 in New York, with a break each day.

    The trading day of a session is that of its end.
    """
    week = {day: (Interval(_OPENS, _CLOSES),) for day in _WEEKDAYS}
    return WeeklyCalendar("usual hours of currencies", ZoneInfo("America/New_York"), week)
