"""Time zones by the names that gateways use."""

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_OLD_NAMES: Final = {
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MST": "America/Denver",
    "PST": "America/Los_Angeles",
    "BST": "Europe/London",
    "MET": "Europe/Paris",
    "CEST": "Europe/Paris",
    "MSK": "Europe/Moscow",
    "JST": "Asia/Tokyo",
    "HKT": "Asia/Hong_Kong",
    "SGT": "Asia/Singapore",
    "KST": "Asia/Seoul",
    "IST": "Asia/Kolkata",
    "AEST": "Australia/Sydney",
}
"""Abbreviations that gateways use for the time of a place in summer and winter. The IANA zones of some of these names
have no summer time."""


def zone_of(name: str) -> ZoneInfo | None:
    """Return a zone by its IANA name or by an old one: "EST", "EST (Eastern Standard Time)". None: it is not known."""
    word = name.partition(" (")[0].strip()
    try:
        return ZoneInfo(_OLD_NAMES.get(word, word)) if word else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
