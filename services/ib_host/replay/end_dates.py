"""The end date of a request for history."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from services.ib_host.replay.market import NEW_YORK

_UTC_FORM = re.compile(r"(\d{8})-(\d\d:\d\d:\d\d)")
_LOCAL_FORM = re.compile(r"(?:(\d{8}) +)?(\d\d:\d\d:\d\d)(?: +(\S.*))?")


@dataclass(frozen=True, slots=True)
class EndDate:
    """A parsed end date.

    Attributes:
        instant: aware, UTC.
        zone_given: False when the text named no zone, so that New York was assumed.
    """

    instant: datetime
    zone_given: bool


def parse_end_date(text: str, now: datetime) -> EndDate | None:
    """Read `yyyymmdd-hh:mm:ss` (UTC), or `[yyyymmdd] hh:mm:ss [zone]` where today and New York are the defaults.

    Args:
        text: as received; empty means now.
        now: aware; the gateway's present.

    Returns:
        The end date, or None when the text is nothing of this kind.
    """
    if not text:
        return EndDate(now.astimezone(UTC), zone_given=True)
    if match := _UTC_FORM.fullmatch(text):
        return _end_date(match[1], match[2], UTC, zone_given=True)
    match = _LOCAL_FORM.fullmatch(text)
    if match is None:
        return None
    zone = _zone(match[3]) if match[3] else NEW_YORK
    if zone is None:
        return None
    day = match[1] or f"{now.astimezone(zone):%Y%m%d}"
    return _end_date(day, match[2], zone, zone_given=bool(match[3]))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a plain name, or the name of a folder of zones
        return None


def _end_date(day: str, clock: str, zone: tzinfo, *, zone_given: bool) -> EndDate | None:
    try:
        local = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
        return EndDate(local.astimezone(UTC), zone_given)
    except (ValueError, OverflowError):
        return None
