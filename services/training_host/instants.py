"""Instants of rows."""

from datetime import UTC, datetime


def utc(nanoseconds: int) -> datetime:
    """Return an instant that is given in nanoseconds since 1970, UTC, to the microsecond."""
    return datetime.fromtimestamp(nanoseconds // 1_000 / 1_000_000, UTC)
