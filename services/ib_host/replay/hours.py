"""When an instrument is traded."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.ib_host.replay.market import NEW_YORK, NEW_YORK_ON_THE_WIRE

_MINUTES_OF_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a day by the local clock.

    Attributes:
        opens: minutes after midnight.
        closes: minutes after midnight, at most 1440; the first minute outside.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Read `hh:mm-hh:mm`; 24:00 is the end of the day.

        Raises:
            ValueError: the text is no such stretch, or it ends before it begins.
        """
        opens, _, closes = text.partition("-")
        span = cls(_minutes(opens), _minutes(closes))
        if span.opens >= span.closes:
            message = f"{text!r} should end after it begins, within one day"
            raise ValueError(message)
        return span

    def on_the_wire(self, day: date) -> str:
        """Return the stretch of a day in the notation of contract details."""
        ends = day + timedelta(days=self.closes // _MINUTES_OF_A_DAY)
        return f"{day:%Y%m%d}:{_clock(self.opens)}-{ends:%Y%m%d}:{_clock(self.closes % _MINUTES_OF_A_DAY)}"


@dataclass(frozen=True, slots=True)
class MarketHours:
    """The hours of every session; a session is a day by the local clock.

    Attributes:
        zone: of the local clock.
        zone_on_the_wire: its name in the gateway's words.
        regular: the regular session, which useRTH asks for.
        extended: all hours, the regular ones among them.
    """

    zone: ZoneInfo
    zone_on_the_wire: str
    regular: Span
    extended: Span

    def span(self, *, regular: bool) -> Span:
        """Return the regular or all hours."""
        return self.regular if regular else self.extended

    def opening(self, session: date, *, regular: bool) -> datetime:
        """Return the UTC instant at which a session opens."""
        return self.at(session, self.span(regular=regular).opens)

    def closing(self, session: date, *, regular: bool) -> datetime:
        """Return the UTC instant at which a session closes."""
        return self.at(session, self.span(regular=regular).closes)

    def at(self, session: date, minute: int) -> datetime:
        """Return the UTC instant of a minute of the local clock, 0 to 1440."""
        day = session + timedelta(days=minute // _MINUTES_OF_A_DAY)
        clock = time(minute % _MINUTES_OF_A_DAY // 60, minute % 60)
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def session_of(self, instant: datetime) -> date:
        """Return the day by the local clock."""
        return instant.astimezone(self.zone).date()


US_STOCK_HOURS = MarketHours(
    zone=NEW_YORK,
    zone_on_the_wire=NEW_YORK_ON_THE_WIRE,
    regular=Span(9 * 60 + 30, 16 * 60),
    extended=Span(4 * 60, 20 * 60),
)
"""Of stocks in New York."""


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


def _clock(minute: int) -> str:
    return f"{minute // 60:02}{minute % 60:02}"
