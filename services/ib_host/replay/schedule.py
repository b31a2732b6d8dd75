"""The sessions of an instrument, as a request for its schedule asks for them."""

from collections.abc import Sequence
from datetime import date, datetime

from services.ib_host.replay.durations import Duration
from services.ib_host.replay.hours import MarketHours


def sessions_in(
    sessions: Sequence[date], hours: MarketHours, duration: Duration, *, end: datetime, use_rth: bool
) -> tuple[datetime, Sequence[tuple[date, datetime, datetime]]]:
    """Return where a window begins, and each session that closes in it with its opening and closing.

    Args:
        sessions: trading days, ascending.
        hours: when they open and close.
        duration: how far the window reaches back.
        end: aware; its end.
        use_rth: regular hours only.
    """

    def closing(session: date) -> datetime:
        return hours.closing(session, regular=use_rth)

    start = duration.start(end, sessions, close=closing, zone=hours.zone)
    return start, [
        (session, hours.opening(session, regular=use_rth), closing(session))
        for session in sessions
        if start < closing(session) <= end
    ]
