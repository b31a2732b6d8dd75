"""Sessions, and the calendars that know them."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo


class CalendarUnavailableError(Exception):
    """A calendar turned out not to be usable; the message says why, for people."""


class Session(NamedTuple):
    """A stretch of trading without a break; a day with a break at noon has two.

    Attributes:
        start: UTC instant of the opening.
        end: UTC instant of the close.
        date: the trading day that it belongs to, at the exchange: that of its end where it runs over midnight.
    """

    start: datetime
    end: datetime
    date: date


class SessionCalendar(Protocol):
    """Tells when there are sessions.

    Its methods may block, so call them in a thread; they raise CalendarUnavailableError where it can't be used.
    """

    @property
    def name(self) -> str:
        """Where the sessions come from, for people."""

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""

    @property
    def knows_holidays(self) -> bool:
        """Whether a day without a session is left out; otherwise a session may be missing for a good reason."""

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that touch [start, end), ascending. Bars are expected in them."""

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the stretches, touching [start, end) and ascending, that may have bars or not: extended hours."""

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return the part of [start, end) about which the calendar says something; None: there is none."""

    def narrowed(self, start: datetime, end: datetime) -> "SessionCalendar":
        """Return the calendar without those parts of it that say nothing about [start, end)."""


class NoCalendar:
    """Stands for a calendar that can't be had.

    Args:
        reason: why, for people.
    """

    knows_holidays = False
    zone = ZoneInfo("UTC")

    def __init__(self, reason: str) -> None:
        self._reason = reason

    @property
    def name(self) -> str:
        """Why there is none."""
        return f"none: {self._reason}"

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:  # noqa: ARG002 -- a SessionCalendar's
        """Return none."""
        return ()

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:  # noqa: ARG002 -- a SessionCalendar's
        """Return none."""
        return ()

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:  # noqa: ARG002 -- see above
        """Return None: it says nothing about any time."""
        return None

    def narrowed(self, start: datetime, end: datetime) -> SessionCalendar:  # noqa: ARG002 -- see above
        """Return the same."""
        return self


def touching(sessions: Sequence[Session], start: datetime, end: datetime) -> Sequence[Session]:
    """Return those of some sessions, ascending by start and by end, that touch [start, end)."""
    low = bisect_right(sessions, start, key=lambda session: session.end)
    high = bisect_left(sessions, end, key=lambda session: session.start)
    return sessions[low:high]


def without(sessions: Sequence[Session], taken: Sequence[Session]) -> Sequence[Session]:
    """Return what is left of some sessions outside of others; both ascending."""
    left = []
    for session in sessions:
        begin = session.start
        for other in touching(taken, session.start, session.end):
            if other.start > begin:
                left.append(session._replace(start=begin, end=other.start))
            begin = max(begin, other.end)
        if begin < session.end:
            left.append(session._replace(start=begin))
    return left
