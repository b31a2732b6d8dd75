"""How far back a request for history reaches."""

import calendar
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.ib_host.replay.hours import MarketHours
from services.ib_host.replay.market import NEW_YORK, session_close

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
"""No window begins before this."""

_PATTERN = re.compile(r"([1-9]\d{0,6}) ([SDWMY])")
_CALENDAR_DAYS = {"S": 1 / 86400, "D": 7 / 5, "W": 7.0, "M": 30.5, "Y": 365.0}


@dataclass(frozen=True, slots=True)
class Duration:
    """A number of seconds, trading days, weeks, months or years.

    Attributes:
        count: at least 1.
        unit: S, D, W, M or Y.
    """

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Duration | None":
        """Return the duration that a request names, or None when it is not one."""
        match = _PATTERN.fullmatch(text)
        return cls(int(match[1]), match[2]) if match else None

    @property
    def calendar_days(self) -> float:
        """Roughly how many calendar days this is: five trading days are a week."""
        return self.count * _CALENDAR_DAYS[self.unit]

    def start(
        self,
        end: datetime,
        sessions: Sequence[date],
        *,
        close: Callable[[date], datetime] = session_close,
        zone: ZoneInfo = NEW_YORK,
    ) -> datetime:
        """Return the instant from which on sessions close within this duration before `end`.

        The start itself lies outside: requests of which each ends where the one before it started show every bar once.

        Args:
            end: aware.
            sessions: the stock's trading days, ascending; trading days are counted along them.
            close: when a session closes.
            zone: in whose calendar weeks and longer are counted.
        """
        try:
            return max(self._start(end, sessions, close, zone), EARLIEST)
        except (OverflowError, ValueError):  # before the first year that dates can have
            return EARLIEST

    def intraday_start(self, end: datetime, sessions: Sequence[date], *, hours: MarketHours) -> datetime:
        """Return the instant from which on bars of less than a day start within this duration before `end`.

        It lies inside, and the end outside: requests of which each ends where the one before it started show every
        bar once. A number of trading days reaches back to the same time of the local clock as many sessions earlier;
        between two sessions, to the beginning of the day of the session so many before. So a trading day is never less
        than a day.

        Args:
            end: aware.
            sessions: the trading days, ascending.
            hours: of the sessions.
        """
        if self.unit != "D":
            return self.start(end, sessions, zone=hours.zone)
        session = hours.session_of(end)
        in_session = bisect_right(sessions, session)
        within = in_session > 0 and sessions[in_session - 1] == session
        first = in_session - self.count - (1 if within else 0)
        if first < 0:
            return EARLIEST
        if not within:
            return hours.begins(sessions[first])
        local = end.astimezone(hours.zone)
        day = sessions[first] + (local.date() - session)
        return datetime.combine(day, local.time(), hours.zone)

    def _start(
        self, end: datetime, sessions: Sequence[date], close: Callable[[date], datetime], zone: ZoneInfo
    ) -> datetime:
        if self.unit == "D":
            outside = bisect_right(sessions, end, key=close) - self.count - 1
            return close(sessions[outside]) if outside >= 0 else EARLIEST
        if self.unit == "S":
            return end - timedelta(seconds=self.count)
        local = end.astimezone(zone)
        if self.unit == "W":
            return local - timedelta(weeks=self.count)
        return _months_earlier(local, self.count * (12 if self.unit == "Y" else 1))


def _months_earlier(local: datetime, months: int) -> datetime:
    year, month_index = divmod(local.year * 12 + local.month - 1 - months, 12)
    last_day = calendar.monthrange(year, month_index + 1)[1]
    return local.replace(year=year, month=month_index + 1, day=min(local.day, last_day))
