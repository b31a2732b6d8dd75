"""Sessions that repeat each week."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.ib_host.sessions.session import Session, SessionCalendar, touching, without

_DAY: Final = timedelta(days=1)
_MINUTES_OF_A_DAY: Final = 1440


class Interval(NamedTuple):
    """A stretch of trading that belongs to a day, by the exchange's clock.

    Attributes:
        start: minutes after the day's midnight; below 0 on the day before.
        end: likewise, at most 1440.
    """

    start: int
    end: int

    def on(self, day: date, zone: ZoneInfo) -> Session:
        """Return the session of a day: UTC instants, whatever summer time says on it."""
        start = _at(day, self.start, zone)
        # Times that summer time skips come after those that follow them.
        return Session(start, max(start, _at(day, self.end, zone)), day)


Week = Mapping[int, Sequence[Interval]]
"""The intervals of each weekday, ascending; Monday is 0. A day that is not there has none."""


class WeeklyCalendar:
    """The same hours each week; holidays are not known.

    Args:
        name: where the hours come from, for people.
        zone: of the exchange.
        week: hours in which bars are expected.
        all_week: all hours in which there may be bars; empty: the same.
    """

    knows_holidays = False

    def __init__(self, name: str, zone: ZoneInfo, week: Week, all_week: Week | None = None) -> None:
        self._name = name
        self._zone = zone
        self._week = week
        self._all_week = all_week or {}

    @property
    def name(self) -> str:
        """Where the hours come from."""
        return self._name

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return self._zone

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that touch [start, end)."""
        return self._sessions(self._week, start, end)

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the stretches of all hours that are outside of the sessions."""
        if not self._all_week:
            return ()
        regular = self.sessions(start - _DAY, end + _DAY)
        return touching(without(self._sessions(self._all_week, start, end), regular), start, end)

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return all of [start, end)."""
        return start, end

    def narrowed(self, start: datetime, end: datetime) -> SessionCalendar:  # noqa: ARG002 -- a SessionCalendar's
        """Return the same."""
        return self

    def _sessions(self, week: Week, start: datetime, end: datetime) -> Sequence[Session]:
        day = start.astimezone(self._zone).date() - _DAY
        last = end.astimezone(self._zone).date() + _DAY
        found = []
        while day <= last:
            found += [interval.on(day, self._zone) for interval in week.get(day.weekday(), ())]
            day += _DAY
        return touching(found, start, end)


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    days, minute_of_day = divmod(minute, _MINUTES_OF_A_DAY)
    clock = time(minute_of_day // 60, minute_of_day % 60)
    return datetime.combine(day + days * _DAY, clock, zone).astimezone(UTC)
