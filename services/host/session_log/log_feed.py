"""Stream a session's log to whoever reads it, to its end or for as long as the session goes on."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.host.folder import SessionFolder
from services.host.session_log.offset import LogPosition
from services.host.session_log.reader import LogPart, LogReader

LOOK_SECONDS: Final = 0.1
"""How often the sizes of the files are looked at, while somebody follows."""
MESSAGE_BYTES: Final = 256 * 1024
"""About the most in one message."""


@dataclass(frozen=True)
class LogQuery:
    """What is asked for.

    Attributes:
        session_id: Whose log.
        offset: Where to begin, from an earlier answer; empty for the beginning.
        follow: Go on with new lines until the session has ended.
        min_level: Least level of the lines.
        tail_lines: Begin about this many lines before the end; 0 for all. Not together with an offset.
    """

    session_id: str
    offset: str = ""
    follow: bool = False
    min_level: "host_pb2.LogLevel.ValueType" = host_pb2.LOG_LEVEL_UNSPECIFIED
    tail_lines: int = 0


class LoggingSession(Protocol):
    """What has to be known of a session to read its log."""

    @property
    def folder(self) -> SessionFolder:
        """Its files."""

    @property
    def settled(self) -> object | None:
        """Something, once it has ended."""

    @property
    def attached(self) -> bool:
        """A process of the user's own opened it: its output is not ours."""


class LogFeed:
    """Reads logs. It keeps nothing for its readers: all that it knows of one is in its offset.

    Args:
        find: Returns a session, or raises SESSION_NOT_FOUND.
        output_lock: Held while printed output is read or trimmed.
        clock: For the time between two looks.
    """

    def __init__(self, find: Callable[[str], LoggingSession], output_lock: threading.Lock, clock: Clock) -> None:
        self._find = find
        self._output_lock = output_lock
        self._clock = clock
        self._stopping = False

    def begin_stop(self) -> None:
        """Let all streams end; their readers go on from where they were when the host is back."""
        self._stopping = True

    async def read(self, query: LogQuery) -> AsyncGenerator[host_pb2.ReadLogResponse, None]:
        """Yield the log in messages. The first one comes at once, with lines or without.

        Raises:
            ServiceError: SESSION_NOT_FOUND, LOG_OFFSET_INVALID or INVALID_REQUEST.
        """
        _check(query)
        session = self._find(query.session_id)
        reader = LogReader(session.folder, self._output_lock, query.min_level)
        position = await _beginning(reader, query)
        told: LogPosition | None = None
        while True:
            # Both are looked at before the reading: what comes in between is not missed.
            ended, seen = session.settled is not None or session.attached, _signs(session.folder)
            more = True
            while more and not self._stopping:
                try:
                    part = await asyncio.to_thread(reader.read, position, ended=ended)
                except OSError as error:
                    yield _unreadable(error, position.encode(session.folder.id))
                    return
                if part.lines or part.dropped or told is None or (not part.more and part.position != told):
                    for message in _messages(part, session.folder.id):
                        yield message
                    told = part.position
                position, more = part.position, part.more
            if ended or self._stopping or not query.follow:
                return
            await self._wait_for_news(session, seen)

    async def _wait_for_news(self, session: LoggingSession, seen: object) -> None:
        while not self._stopping and session.settled is None and _signs(session.folder) == seen:
            await self._clock.sleep(LOOK_SECONDS)


def _check(query: LogQuery) -> None:
    faults = []
    if query.offset and query.tail_lines:
        faults.append(FieldViolation("tail_lines", "not together with an offset"))
    if query.min_level not in host_pb2.LogLevel.values():
        faults.append(FieldViolation("min_level", f"{query.min_level} is no level"))
    if faults:
        detail = " ".join(f"{field}: {description}." for field, description in faults)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=faults, detail=detail)


async def _beginning(reader: LogReader, query: LogQuery) -> LogPosition:
    if query.offset:
        return LogPosition.decode(query.offset, query.session_id)
    if query.tail_lines:
        with contextlib.suppress(OSError):  # the first reading says so
            return await asyncio.to_thread(reader.tail, query.tail_lines)
    return LogPosition()


def _messages(part: LogPart, session_id: str) -> Iterator[host_pb2.ReadLogResponse]:
    message, size = host_pb2.ReadLogResponse(lines_dropped=part.dropped), 0
    position = part.position
    for line in part.lines:
        line_size = line.message.ByteSize()
        if message.lines and size + line_size > MESSAGE_BYTES:
            message.next_offset = position.encode(session_id)
            yield message
            message, size = host_pb2.ReadLogResponse(), 0
        message.lines.append(line.message)
        position = line.position
        size += line_size
    message.next_offset = part.position.encode(session_id)
    yield message


def _unreadable(error: OSError, offset: str) -> host_pb2.ReadLogResponse:
    """Say within the log that it cannot be read: whoever reads logs looks there for what went wrong."""
    line = host_pb2.LogLine(text=f"(the log cannot be read: {error.strerror})")
    return host_pb2.ReadLogResponse(lines=[line], next_offset=offset)


def _signs(folder: SessionFolder) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what is different when something was written. It takes some microseconds, so no thread is worth it."""
    return tuple(_sign(path) for path in (os.fspath(folder.structured_log), os.fspath(folder.log)))


def _sign(path: str) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        status = os.stat(path)  # noqa: PTH116 - half of the time that a Path takes
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None
