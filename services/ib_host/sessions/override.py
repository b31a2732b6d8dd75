"""A calendar as a person has corrected it."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.ib_host.sessions.override_file import Overrides
from services.ib_host.sessions.session import Session, SessionCalendar, touching, without

_DAY: Final = timedelta(days=1)


class OverrideCalendar:
    """The sessions of a calendar, but for the days about which a file says something else.

    Args:
        overrides: what the file says.
        base: the calendar; None: the sessions of the file are all there are.
        zone: of the file's times.
        shown: what people call the file.
        extended: whether bars outside of the regular hours belong to the dataset.
    """

    def __init__(
        self, overrides: Overrides, base: SessionCalendar | None, *, zone: ZoneInfo, shown: str, extended: bool
    ) -> None:
        self._overrides = overrides
        self._base = base
        self._zone = zone
        self._shown = shown
        self._extended = extended

    @property
    def name(self) -> str:
        """Where the sessions come from."""
        return f"override file {self._shown}" + (f" over {self._base.name}" if self._base else "")

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return self._zone

    @property
    def knows_holidays(self) -> bool:
        """Whether the calendar below does; of hours of the file itself a person has named the closed days too."""
        return self._base.knows_holidays if self._base and self._overrides.week is None else True

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that touch [start, end)."""
        below = self._kept(self._base.sessions(start, end)) if self._base else []
        own = sorted(
            interval.on(day, self._zone)
            for day, hours in self._overrides.days.items()
            for interval in hours.hours
            if not self._is_closed(day)
        )
        return sorted({*below, *touching(own, start, end)})

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the stretches outside of the sessions that may have bars."""
        if not self._extended:
            return ()
        below = self._kept(self._base.extra(start, end)) if self._base else []
        own = sorted(
            interval.on(day, self._zone)
            for day, hours in self._overrides.days.items()
            for interval in hours.all_hours
            if not self._is_closed(day)
        )
        left = without(touching(own, start, end), self.sessions(start - _DAY, end + _DAY))
        return sorted({*below, *left})

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return the part of [start, end) that the calendar below knows; all of it where there is none."""
        return self._base.known(start, end) if self._base else (start, end)

    def narrowed(self, start: datetime, end: datetime) -> SessionCalendar:
        """Return the file over the calendar below, narrowed likewise."""
        base = self._base.narrowed(start, end) if self._base else None
        return OverrideCalendar(self._overrides, base, zone=self._zone, shown=self._shown, extended=self._extended)

    def _kept(self, sessions: Iterable[Session]) -> list[Session]:
        days = self._overrides.days
        return [session for session in sessions if session.date not in days and not self._is_closed(session.date)]

    def _is_closed(self, day: date) -> bool:
        return any(closed.first <= day <= closed.last for closed in self._overrides.closed)
