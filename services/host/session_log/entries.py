"""The form of a log entry: one line of JSON with `time`, `level`, `event` and the event's own fields."""

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger

TEXT_LIMIT: Final = 16 * 1024
"""Longest text of an entry, in characters. What is longer is cut, and says so."""
FIELDS_LIMIT: Final = 64
"""Most fields of an entry."""
ROTATED: Final = "log_rotated"
"""Event of the first line of a file that others came before."""
STREAM: Final = "stream"
"""Field of a printed line: "stdout" or "stderr"."""
_LEVELS: Final = {"warn": "warning", "exception": "error", "fatal": "critical"}
_OWN: Final = frozenset({"time", "level", "event"})


def entry_formatter(left_out: frozenset[str] = frozenset()) -> structlog.stdlib.ProcessorFormatter:
    """Return what turns a log record, of structlog or of the standard library, into an entry's line.

    Args:
        left_out: Fields that say nothing within one session's log.
    """

    def without_what_is_known(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: value for name, value in event.items() if name not in left_out}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _add_logger],
        processors=[
            structlog.processors.format_exc_info,
            structlog.processors.StackInfoRenderer(),
            without_what_is_known,
            _as_entry,
            _as_line,
        ],
    )


def printed_record(stream: str, line: str) -> logging.LogRecord:
    """Return the record of a printed line.

    Args:
        stream: "stdout" or "stderr".
        line: The line, without its end.
    """
    level = logging.INFO if stream == "stdout" else logging.WARNING
    # Not with `line` as a format: a printed "%" is no placeholder. The record has no arguments, so it stays as it is.
    record = logging.LogRecord("print", level, "", 0, line, None, None)
    record.__dict__[STREAM] = stream
    return record


def rotation_line(now: datetime) -> str:
    """Return the first line of a file that others came before, with its end."""
    return json.dumps({"time": _time(now.timestamp()), "level": "debug", "event": ROTATED}) + "\n"


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text, shortened with a mark where it is longer than `limit` characters."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def _add_logger(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name the library that logs: its events have no names that tell where they come from."""
    name = event["_record"].name
    return {"logger": name, **event} if name != "print" else event


def _as_entry(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    event.pop("timestamp", None)  # the host's own form of the time
    level = str(event.pop("level", record.levelname)).lower()
    entry: EventDict = {
        "time": _time(record.created),
        "level": _LEVELS.get(level, level),
        "event": cut(str(event.pop("event", "")).rstrip("\n")),
    }
    for name, value in list(event.items())[:FIELDS_LIMIT]:
        entry[f"{name}_" if name in _OWN else str(name)] = _plain(value)
    return entry


def _as_line(_logger: WrappedLogger, _method: str, entry: EventDict) -> str:
    return json.dumps(entry, ensure_ascii=False, default=_fallback, skipkeys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _nested(value)
    return value


def _nested(value: Any) -> Any:
    try:
        text = json.dumps(value, ensure_ascii=False, default=_fallback, skipkeys=True, allow_nan=False)
    except (ValueError, RecursionError):  # a number that JSON does not have, or something that contains itself
        return cut(repr(value))
    return json.loads(text) if len(text) <= TEXT_LIMIT else cut(text)


def _fallback(value: Any) -> Any:
    """Return something for JSON in place of what it does not know: the number in a NumPy scalar or a tensor of one."""
    try:
        number = value.item()
    except Exception:  # whatever somebody else's method of this name does
        return cut(repr(value))
    return number if isinstance(number, int | bool) or math.isfinite(number) else str(number)


def _time(seconds: float) -> str:
    """Return a time since the Unix epoch in RFC 3339, UTC, with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
