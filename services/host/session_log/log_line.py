"""Lines of a session's files as the messages that readers get."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ktrdr.host.v1 import host_pb2

from services.host.session_log.entries import STREAM
from services.host.session_log.lines import RawLine

LINE_BYTES: Final = 16 * 1024
"""Longest line that is sent; longer ones are cut."""
_PARSED_BYTES: Final = 64 * 1024
"""Longest line that is taken apart."""
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
"""Kept, as `json.dumps` would make another encoder for each value."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEVELS: Final = {
    "debug": host_pb2.LOG_LEVEL_DEBUG,
    "info": host_pb2.LOG_LEVEL_INFO,
    "warning": host_pb2.LOG_LEVEL_WARNING,
    "error": host_pb2.LOG_LEVEL_ERROR,
    "critical": host_pb2.LOG_LEVEL_CRITICAL,
}


def from_entry(line: RawLine) -> host_pb2.LogLine:
    """Return the message for a line of the entries. A line that is none is its own text."""
    entry = _parsed(line)
    if entry is None:
        return host_pb2.LogLine(source=host_pb2.LOG_SOURCE_LOG, text=_text(line))
    message = host_pb2.LogLine(source=host_pb2.LOG_SOURCE_LOG)
    if (age := _since_epoch(entry.pop("time", None))) is not None:
        message.time.seconds = age.days * 86_400 + age.seconds
        message.time.nanos = age.microseconds * 1_000
    level = _LEVELS.get(str(entry.pop("level", "")), host_pb2.LOG_LEVEL_UNSPECIFIED)
    text = entry.pop("event", "")
    message.text = shortened(text if isinstance(text, str) else _ENCODE(text))
    if STREAM in entry:
        # Something printed it: the level in the file is only what the stream suggests.
        message.source = host_pb2.LOG_SOURCE_OUTPUT
    else:
        message.level = level
    room = LINE_BYTES - len(message.text)
    for name, value in entry.items():
        shown = shortened(value if isinstance(value, str) else _ENCODE(value), max(room, 0))
        message.fields[name] = shown
        room -= len(name) + len(shown)
    return message


def from_output(line: RawLine) -> host_pb2.LogLine:
    """Return the message for a printed line, as it was drawn last where it was drawn several times."""
    content = line.content.rstrip(b"\r").rpartition(b"\r")[2]
    shown = RawLine(content, line.end - len(content), line.end, line.whole)
    return host_pb2.LogLine(source=host_pb2.LOG_SOURCE_OUTPUT, text=_text(shown))


def is_wanted(line: host_pb2.LogLine, min_level: "host_pb2.LogLevel.ValueType") -> bool:
    """Tell whether a line is of a level, or above, or of none."""
    return line.level == host_pb2.LOG_LEVEL_UNSPECIFIED or line.level >= min_level


def shortened(text: str, limit: int = LINE_BYTES) -> str:
    """Return a text that a message can hold, cut with a mark where it is longer than the limit."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # JSON can name halves of characters
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def _text(line: RawLine) -> str:
    text = line.content.decode("utf-8", errors="replace")
    return shortened(text) if line.whole else f"{text[:LINE_BYTES]}… (and more)"


def _parsed(line: RawLine) -> dict[str, Any] | None:
    if not line.whole or len(line.content) > _PARSED_BYTES:
        return None
    try:
        entry = json.loads(line.content)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def _since_epoch(text: object) -> timedelta | None:
    try:
        time = datetime.fromisoformat(str(text))
        # Beyond the years 1 to 9999 of UTC there are no timestamps either: the conversion fails there.
        return (time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
