"""Which bars are over, so that none is stored before it is complete."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.chunks import period_start
from services.ib_host.sessions.session import Session, SessionCalendar

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)
_MONTH: Final = timedelta(days=31)
_LOOK_BACK: Final = timedelta(days=4)
_SATURDAY: Final = 5


def closed_until(now: datetime, bar: BarLength, *, time_zone: str, calendar: SessionCalendar | None) -> datetime:
    """Return the instant before which every bar that starts is over; for dated bars a midnight UTC.

    A bar that is not over would go on changing. Without sessions a day is over at midnight at its exchange, and a bar
    of some hours when its length is; a session that ends earlier ends them earlier.

    Args:
        now: of the gateway's clock, aware.
        bar: length of the bars.
        time_zone: of the exchange, an IANA name; empty or unknown: UTC.
        calendar: the exchange's sessions, where they are known.
    """
    now = now.astimezone(UTC)
    if bar.dated:
        return _closed_date(now, bar, _zone(time_zone), calendar)
    by_length = now - bar.length + _SECOND
    if bar.length < _HOUR or calendar is None:
        return by_length
    # The last bar of a session ends with it.
    begun = [session for session in _around(calendar, now, _SECOND) if session.start <= now]
    return now if begun and all(session.end <= now for session in begun) else by_length


def settled_until(now: datetime, closed: datetime, bar: BarLength, *, calendar: SessionCalendar | None) -> datetime:
    """Return the instant before which an answer without bars means that there are none; later only a bar is believed.

    A bar that has just ended may take a while to reach the gateway's data, and the gateway's clock may be ahead. Where
    nothing was traded of late, nothing is on its way.

    Args:
        now: of the gateway's clock, aware.
        closed: what `closed_until` returns.
        bar: length of the bars.
        calendar: the exchange's sessions, where they are known.
    """
    now = now.astimezone(UTC)
    late = _DAY if bar.dated else _HOUR + bar.length
    if calendar is not None and calendar.known(now - late, now) is not None:
        traded = any(session.end > now - late and session.start < now for session in _around(calendar, now, _SECOND))
        if not traded:
            return closed
    begun = now - late
    return min(closed, datetime.combine(begun.date(), time(), UTC) if bar.dated else begun)


def _closed_date(now: datetime, bar: BarLength, zone: ZoneInfo, calendar: SessionCalendar | None) -> datetime:
    today = now.astimezone(zone).date()
    around = _around(calendar, now, _MONTH + _LOOK_BACK) if calendar is not None else []
    open_dates = [session.date for session in around if session.start <= now < session.end]
    ended = {session.date for session in around if session.end <= now}
    to_come = {session.date for session in around if session.end > now}
    first_open = min([today + _DAY if today in ended - to_come else today, *open_dates])
    midnight = datetime.combine(first_open, time(), UTC)
    if bar.length <= _DAY:
        return midnight
    begin = period_start(midnight, bar)
    following = period_start(begin + (_MONTH if bar.length > 7 * _DAY else bar.length), bar)
    left = [first_open + n * _DAY for n in range((following.date() - first_open).days)]
    traded = {session.date for session in around}
    nothing_to_come = calendar is not None and all(_is_free(day, traded, calendar) for day in left)
    return following if nothing_to_come else begin


def _around(calendar: SessionCalendar, now: datetime, ahead: timedelta) -> list[Session]:
    """Return the sessions around an instant, extended hours too: bars of all hours go on in them."""
    start, end = now - _LOOK_BACK, now + ahead
    return [*calendar.sessions(start, end), *calendar.extra(start, end)]


def _is_free(day: date, traded: Collection[date], calendar: SessionCalendar) -> bool:
    """Tell whether it is certain that there is no session on a day."""
    if day in traded:
        return False
    midnight = datetime.combine(day, time(), calendar.zone)
    told = calendar.knows_holidays and calendar.known(midnight, midnight + _DAY) is not None
    return told or day.weekday() >= _SATURDAY


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):  # unknown, not a plain name, or the name of a folder of zones
        return ZoneInfo("UTC")
