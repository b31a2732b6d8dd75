"""What to tell people about IB's resets."""

from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from services.ib_host.resets.windows import NEW_YORK, Reset, login_ended, resets_at


def reset_text(instant: datetime) -> str:
    """Return which of IB's servers reset now and until when; empty at other times.

    Args:
        instant: aware.

    Returns:
        Such as "IB resets its North American servers until 01:45 EST", times by the clock of the region.
    """
    resets = resets_at(instant)
    if not resets:
        return ""
    parts = [f"{_named([reset.servers for reset in group])} until {end}" for end, group in groupby(resets, _end)]
    return f"IB resets {' and '.join(parts)}"


def login_text(instant: datetime) -> str:
    """Return that the week's logins are over, on a Sunday from 1:00 in New York on; empty at other times.

    Args:
        instant: aware.
    """
    ended = login_ended(instant)
    return "" if ended is None else f"IB ended last week's logins on Sunday {_clock(ended, NEW_YORK)}"


def _named(servers: list[str]) -> str:
    return f"its {' and '.join(servers)} servers" if all(servers) else "all its servers"


def _end(reset: Reset) -> str:
    return _clock(reset.end, reset.zone)


def _clock(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%H:%M %Z}"
