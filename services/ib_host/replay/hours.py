"""When an instrument is traded."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_MINUTES_OF_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a session by the local clock.

    Attributes:
        opens: minutes after the midnight at which the session's day begins; negative where it begins the day before.
        closes: minutes after that midnight, at most 1440; the first minute outside.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read `hh:mm-hh:mm`; 24:00 is the end of the day. What ends before it begins has begun the day before.

        Raises:
            ValueError: the text is no such stretch, or it has no length.
        """
        begin, _, end = text.partition("-")
        opens, closes = _minutes(begin), _minutes(end)
        if opens == closes:
            message = f"{text!r} should end at another time than it begins; 00:00-24:00 is a whole day"
            raise ValueError(message)
        return cls(opens if opens < closes else opens - _MINUTES_OF_A_DAY, closes)

    def on_the_wire(self, day: date) -> str:
        """Return the stretch of a session in the notation of contract details."""
        return f"{_on_the_wire(day, self.opens)}-{_on_the_wire(day, self.closes)}"


@dataclass(frozen=True, slots=True)
class ShortDays:
    """Days on which trading ends early.

    Attributes:
        is_short: whether a session is one.
        regular: its regular hours.
        extended: its all hours.
    """

    is_short: Callable[[date], bool]
    regular: Span
    extended: Span


@dataclass(frozen=True, slots=True)
class MarketHours:
    """The hours of every session; a session has the date of the day by the local clock on which it ends.

    Attributes:
        zone: of the local clock.
        zone_on_the_wire: its name in the gateway's words.
        regular: the regular session, which useRTH asks for.
        extended: all hours, the regular ones among them.
        short_days: the sessions that end early, where there are any.
    """

    zone: ZoneInfo
    zone_on_the_wire: str
    regular: Span
    extended: Span
    short_days: ShortDays | None = None

    def span(self, session: date, *, regular: bool) -> Span:
        """Return the regular or all hours of a session."""
        usual = self if self.short_days is None or not self.short_days.is_short(session) else self.short_days
        return usual.regular if regular else usual.extended

    def opening(self, session: date, *, regular: bool) -> datetime:
        """Return the UTC instant at which a session opens."""
        return self.at(session, self.span(session, regular=regular).opens)

    def closing(self, session: date, *, regular: bool) -> datetime:
        """Return the UTC instant at which a session closes."""
        return self.at(session, self.span(session, regular=regular).closes)

    def at(self, session: date, minute: int) -> datetime:
        """Return the UTC instant of a minute of the local clock, from -1440 (the midnight before) to 1440."""
        day = session + timedelta(days=minute // _MINUTES_OF_A_DAY)
        clock = time(minute % _MINUTES_OF_A_DAY // 60, minute % 60)
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def session_of(self, instant: datetime) -> date:
        """Return the session that an instant belongs to, traded or not: a day by the local clock.

        Where sessions begin the day before, what comes after the close belongs to the next.
        """
        local = instant.astimezone(self.zone)
        opens = self.extended.opens
        begins_before = opens < 0 and local.hour * 60 + local.minute >= opens + _MINUTES_OF_A_DAY
        return local.date() + timedelta(days=1) if begins_before else local.date()

    def begins(self, session: date) -> datetime:
        """Return the UTC instant at which the day of a session begins: its midnight, or its opening before that."""
        return self.at(session, min(0, self.extended.opens))


def _minutes(text: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    if not (colon and len(minutes) == 2 and hours.isdecimal() and minutes.isdecimal()):
        message = f"{text!r} should be a time of day such as 09:30"
        raise ValueError(message)
    total = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or total > _MINUTES_OF_A_DAY:
        message = f"{text!r} is no time of day"
        raise ValueError(message)
    return total


def _on_the_wire(day: date, minute: int) -> str:
    days, minute = divmod(minute, _MINUTES_OF_A_DAY)
    return f"{day + timedelta(days=days):%Y%m%d}:{minute // 60:02}{minute % 60:02}"
