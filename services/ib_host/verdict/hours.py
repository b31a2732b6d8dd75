"""The sessions of the range that a verdict is about."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.ib_host.sessions.session import CalendarUnavailableError, NoCalendar, Session, SessionCalendar

_AROUND: Final = timedelta(days=31)
"""Sessions are looked up so far around the range: a bar of a month, at the border of it, belongs to all of its days."""


class Hours:
    """What a calendar says about a range. A calendar that can't be used counts as none.

    Args:
        calendar: of the exchange.
        start: aware; the range.
        end: its end, exclusive.
    """

    def __init__(self, calendar: SessionCalendar, start: datetime, end: datetime) -> None:
        try:
            calendar = calendar.narrowed(start, end)
            self.known = calendar.known(start, end)
            self._sessions: Sequence[Session] = ()
            if self.known is not None:
                self._sessions = calendar.sessions(self.known[0] - _AROUND, self.known[1] + _AROUND)
            self.zone: ZoneInfo = calendar.zone
        except CalendarUnavailableError as error:
            calendar = NoCalendar(str(error))
            self.known, self._sessions, self.zone = None, (), calendar.zone
        self._calendar = calendar
        self._start, self._end = start, end

    @property
    def name(self) -> str:
        """Where the sessions come from, and for what times of the range nothing is known; for people."""
        if self.known is None or self.known == (self._start, self._end):
            return self._calendar.name
        texts = [f"before {self.known[0]:%Y-%m-%d}"] if self.known[0] > self._start else []
        texts += [f"after {self.known[1]:%Y-%m-%d}"] if self.known[1] < self._end else []
        return f"{self._calendar.name}; nothing is known {' and '.join(texts)}"

    @property
    def knows_holidays(self) -> bool:
        """Whether every session that is expected takes place."""
        return self._calendar.knows_holidays

    @property
    def sessions(self) -> Sequence[Session]:
        """All sessions of the range, and some around it, ascending."""
        return self._sessions

    def sessions_in(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that touch a part of the range, ascending."""
        low = bisect_right(self._sessions, start, key=lambda session: session.end)
        high = bisect_left(self._sessions, end, key=lambda session: session.start)
        return self._sessions[low:high]

    def extra_in(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the stretches that touch a part of the range and may have bars or not, ascending."""
        return self._calendar.extra(start, end)
