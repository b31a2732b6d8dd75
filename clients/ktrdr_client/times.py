"""Dates, times and durations as people write them."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_UNIT_SECONDS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def range_start(text: str) -> datetime:
    """Return the first instant of a range that begins with a date ("2000-03-01") or a time ("2000-03-01T14:30"), UTC.

    Raises:
        ValueError: The text is neither.
    """
    return _instant(text, is_end=False)


def range_end(text: str) -> datetime:
    """Return the end of a range, exclusive and UTC. A date counts in full: its end is the midnight after it.

    Raises:
        ValueError: The text is neither a date nor a time.
    """
    return _instant(text, is_end=True)


def _instant(text: str, *, is_end: bool) -> datetime:
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
            day = date.fromisoformat(text)
            return datetime.combine(day + timedelta(days=1) if is_end else day, time(), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        message = f"{text!r} is no date or time; write 2000-03-01 or 2000-03-01T14:30 (UTC unless an offset is given)"
        raise ValueError(message) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_duration(text: str) -> timedelta:
    """Return the duration that "90", "90s", "1.5h" or "1h30m" names; a number alone is seconds.

    Raises:
        ValueError: The text is no duration, or it is negative.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|)", text.strip().lower())
    if not parts or re.sub(r"\s", "", text.lower()) != "".join(number + unit for number, unit in parts):
        message = f"{text!r} is no duration; write 90s, 5m or 1h30m"
        raise ValueError(message)
    return timedelta(seconds=sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts))


def duration_text(duration: timedelta) -> str:
    """Return a duration in the one or two units that matter: "20 ms", "4.2 s", "3 min 20 s", "2 h 05 min"."""
    seconds = duration.total_seconds()
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"
