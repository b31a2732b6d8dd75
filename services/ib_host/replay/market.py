"""Trading sessions of the exchanges that the recorded stocks trade on."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
NEW_YORK_ON_THE_WIRE = "US/Eastern"
"""The name gateways use for New York's zone."""

_OPEN = time(9, 30)
_CLOSE = time(16, 0)


def session_open(session: date) -> datetime:
    """Return the aware instant at which the regular session of a day opens."""
    return datetime.combine(session, _OPEN, NEW_YORK)


def session_close(session: date) -> datetime:
    """Return the aware instant at which the regular session of a day closes.

    The few days on which the exchange closes early are taken as full days: their bars only become visible later.
    """
    return datetime.combine(session, _CLOSE, NEW_YORK)
