"""Sessions of exchanges, with their holidays, half days and special closures, from the exchange-calendars library."""

import threading
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.ib_host.sessions.exchanges import extended_hours
from services.ib_host.sessions.session import CalendarUnavailableError, Session, SessionCalendar, touching, without

if TYPE_CHECKING:
    import exchange_calendars
    import pandas as pd

_DAY: Final = timedelta(days=1)
_BREAK_OF_CME: Final = timedelta(hours=1)
_FULL_DAY: Final = timedelta(hours=23, minutes=30)
_MOST_KEPT: Final = 64
_BUILDING: Final = threading.Lock()
"""Two threads that need the same calendar at once must not both build it."""


class _Bounds(NamedTuple):
    first: date | None
    last: date | None
    zone: ZoneInfo


class ExchangeCalendar:
    """One exchange. The library is loaded, and a calendar built, when sessions are first asked for; that takes 0.5 s.

    Args:
        code: of the library, such as "XNYS".
        extended: whether bars outside of the regular hours belong to the dataset.
    """

    knows_holidays = True

    def __init__(self, code: str, *, extended: bool) -> None:
        self._code = code
        self._extended = extended

    @property
    def name(self) -> str:
        """Where the sessions come from."""
        return f"{self._code} of exchange-calendars"

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return _bounds(self._code).zone

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the regular sessions that touch [start, end)."""
        known = self.known(start, end)
        if known is None:
            return ()
        first, last = (known[0] - _DAY).year, (known[1] + _DAY).year
        with _BUILDING:
            sessions = _built(self._code, first, last)
        return touching(sessions, start, end)

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the extended hours around the sessions; none where only regular hours count."""
        if not self._extended:
            return ()
        regular = self.sessions(start - _DAY, end + _DAY)
        return touching(without(_widened(regular, self._code, self.zone), regular), start, end)

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return the part of [start, end) for which the library has holidays."""
        bounds = _bounds(self._code)
        first = max(start, _midnight(bounds.first, bounds.zone)) if bounds.first else start
        last = min(end, _midnight(bounds.last + _DAY, bounds.zone)) if bounds.last else end
        return (first, last) if first < last else None

    def narrowed(self, start: datetime, end: datetime) -> SessionCalendar:  # noqa: ARG002 -- a SessionCalendar's
        """Return the same."""
        return self


def _calendar(code: str, start: date | None = None, end: date | None = None) -> "exchange_calendars.ExchangeCalendar":
    # Imported here because it takes half a second, with pandas.
    import exchange_calendars  # noqa: PLC0415

    try:
        return exchange_calendars.get_calendar(code, start=start, end=end)
    except Exception as error:  # whatever the library's own data run into: the verdict goes on without it
        message = f"exchange-calendars can't make the calendar {code}: {error}"
        raise CalendarUnavailableError(message) from error


@cache
def _bounds(code: str) -> _Bounds:
    calendar = _calendar(code)
    first, last = calendar.bound_min(), calendar.bound_max()
    zone = ZoneInfo(str(calendar.tz))
    return _Bounds(first.date() if first is not None else None, last.date() if last is not None else None, zone)


@lru_cache(maxsize=_MOST_KEPT)
def _built(code: str, first_year: int, last_year: int) -> Sequence[Session]:
    bounds = _bounds(code)
    first, last = date(first_year, 1, 1), date(last_year, 12, 31)
    calendar = _calendar(
        code,
        start=max(first, bounds.first) if bounds.first else first,
        end=min(last, bounds.last) if bounds.last else last,
    )
    schedule = calendar.schedule
    columns = [_instants(schedule[name]) for name in ("open", "break_start", "break_end", "close")]
    sessions: list[Session] = []
    days: list[date] = schedule.index.to_numpy().astype("datetime64[D]").tolist()
    for day, opening, pause, resume, closing in zip(days, *columns, strict=True):
        assert opening is not None
        assert closing is not None
        close = closing
        # The library has the futures of Chicago trade around the clock; they pause for the last hour of their day.
        if code == "CMES" and closing - opening > _FULL_DAY:
            close = closing - _BREAK_OF_CME
        if pause is not None and resume is not None:
            sessions += (Session(opening, pause, day), Session(resume, close, day))
        else:
            sessions.append(Session(opening, close, day))
    return sessions


def _widened(sessions: Sequence[Session], code: str, zone: ZoneInfo) -> Sequence[Session]:
    extended = extended_hours(code)
    days: dict[date, Session] = {}
    for session in sessions:
        known = days.get(session.date, session)
        days[session.date] = Session(min(known.start, session.start), max(known.end, session.end), session.date)
    return [
        Session(
            datetime.combine(day, extended.opens, zone).astimezone(UTC)
            if extended.opens
            else session.start - extended.around,
            datetime.combine(day, extended.closes, zone).astimezone(UTC)
            if extended.closes
            else session.end + extended.around,
            day,
        )
        for day, session in days.items()
    ]


def _instants(column: "pd.Series[pd.Timestamp]") -> list[datetime | None]:
    """Return the times of a schedule, UTC; None where there is no break."""
    naive: list[datetime | None] = column.dt.tz_convert(None).to_numpy().astype("datetime64[us]").tolist()
    return [moment.replace(tzinfo=UTC) if moment is not None else None for moment in naive]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, datetime.min.time(), zone).astimezone(UTC)
