"""Tell the end of a session's log."""

import threading
from collections.abc import Iterator
from datetime import UTC
from typing import Final

from ktrdr.host.v1 import host_pb2

from services.host.folder import SessionFolder
from services.host.session_log.reader import LogReader

LINES: Final = 20
_BYTES: Final = 4_096
_LINE_CHARACTERS: Final = 400


def log_tail(session: SessionFolder) -> list[str]:
    """Return the last lines of what a session has logged and printed, in order of time as far as it is known.

    Args:
        session: The session. Nobody writes to it any more.

    Returns:
        At most 20 lines, and at most 4 KiB. A log that cannot be read has none.
    """
    try:
        last = LogReader(session, threading.Lock()).last(LINES)
    except OSError:
        return []
    lines = [line[:_LINE_CHARACTERS] for entry in last for line in _lines(entry)]
    kept: list[str] = []
    room = _BYTES
    for line in reversed(lines[-LINES:]):
        room -= len(line.encode())
        if room < 0:
            break
        kept.insert(0, line)
    return kept


def _lines(line: host_pb2.LogLine) -> Iterator[str]:
    """Yield a line of the log as text; one with a traceback becomes several."""
    parts = []
    if line.HasField("time"):
        parts.append(line.time.ToDatetime(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    if line.level:
        parts.append(host_pb2.LogLevel.Name(line.level).removeprefix("LOG_LEVEL_"))
    fields = dict(line.fields) if line.source == host_pb2.LOG_SOURCE_LOG else {}
    exception = fields.pop("exception", "")
    parts += [line.text, *(f"{name}={value}" for name, value in sorted(fields.items()))]
    yield from " ".join(parts).splitlines() or [""]
    yield from exception.splitlines()
