"""Read a session's log in one order: its entries, and the printed output among them."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from ktrdr.host.v1 import host_pb2

from services.host.folder import SessionFolder
from services.host.session_log.entry_files import EntryFiles, EntryLine
from services.host.session_log.lines import RawLine
from services.host.session_log.log_line import from_entry, from_output, is_wanted
from services.host.session_log.offset import LogPosition
from services.host.session_log.output_files import OutputFiles


@dataclass(frozen=True)
class ReadLine:
    """A line that was read.

    Attributes:
        message: The line.
        position: The place behind it.
    """

    message: host_pb2.LogLine
    position: LogPosition


@dataclass(frozen=True)
class LogPart:
    """A part of a log.

    Attributes:
        lines: The lines that are wanted, in order.
        position: The place behind everything that was read.
        more: There may be more to read at once.
        dropped: Lines before these were removed.
    """

    lines: list[ReadLine]
    position: LogPosition
    more: bool
    dropped: bool


class LogReader:
    """Reads the files of one session. Everything here blocks: call it in a thread.

    Entries have a time, and printed lines have none; only when the last one was printed is known, from the file. So
    printed lines that are read together come before the first entry that is younger than the last of them.

    Args:
        folder: The session.
        lock: Held while the printed output is read or trimmed.
        min_level: Least level of the lines that are wanted.
    """

    def __init__(
        self,
        folder: SessionFolder,
        lock: threading.Lock,
        min_level: "host_pb2.LogLevel.ValueType" = host_pb2.LOG_LEVEL_UNSPECIFIED,
    ) -> None:
        self.entries = EntryFiles(folder.structured_log)
        self.output = OutputFiles(folder.log, lock)
        self._min_level = min_level

    def read(self, position: LogPosition, *, ended: bool) -> LogPart:
        """Read on from a place, up to a chunk of each file.

        Args:
            position: The place.
            ended: Nobody writes to the log any more.

        Raises:
            OSError: The files cannot be read.
        """
        printed_ns = self.output.changed_ns()
        entries = self.entries.read(position.file, position.entries, ended=ended)
        lines = [(from_entry(each.line), each) for each in entries.lines]
        first_later = next((i for i, (line, _) in enumerate(lines) if _is_later(line, printed_ns)), len(lines))
        collected = _Collected(position, lambda line: is_wanted(line, self._min_level))
        for line, each in lines[:first_later]:
            collected.add(line, file=each.file, entries=each.line.end)
        if first_later == len(lines) and entries.more:
            collected.pass_on(file=entries.file, entries=entries.position)
            return collected.part(more=True, dropped=entries.dropped)
        output = self.output.read(position.output, ended=ended)
        for printed in output.lines:
            collected.add(from_output(printed), output=printed.end)
        collected.pass_on(output=output.position)
        if output.more:
            return collected.part(more=True, dropped=entries.dropped or output.dropped)
        for line, each in lines[first_later:]:
            collected.add(line, file=each.file, entries=each.line.end)
        collected.pass_on(file=entries.file, entries=entries.position)
        return collected.part(more=entries.more, dropped=entries.dropped or output.dropped)

    def tail(self, count: int) -> LogPosition:
        """Return the place that about `count` lines that are wanted come behind.

        Raises:
            OSError: The files cannot be read.
        """
        file, entries = self.entries.end()
        position = LogPosition(file, entries, self.output.end())
        with closing(self._newest_first(count)) as lines:
            for message, where in lines:
                if not is_wanted(message, self._min_level):
                    continue
                if isinstance(where, EntryLine):
                    position = replace(position, file=where.file, entries=where.line.start)
                else:
                    position = replace(position, output=where.start)
                count -= 1
                if count <= 0:
                    break
        return position

    def last(self, count: int) -> list[host_pb2.LogLine]:
        """Return the last lines, at most `count`, in order.

        Raises:
            OSError: The files cannot be read.
        """
        found: list[host_pb2.LogLine] = []
        with closing(self._newest_first(count)) as lines:
            for message, _ in lines:
                if is_wanted(message, self._min_level):
                    found.insert(0, message)
                if len(found) >= count:
                    break
        return found

    def _newest_first(self, count: int) -> Generator[tuple[host_pb2.LogLine, EntryLine | RawLine], None, None]:
        printed_ns = self.output.changed_ns()
        printed = self.output.last_lines(count)
        with closing(self.entries.backwards()) as entries:
            for each in entries:
                message = from_entry(each.line)
                if not _is_later(message, printed_ns):
                    yield from ((from_output(line), line) for line in printed)
                    printed = []
                yield message, each
        yield from ((from_output(line), line) for line in printed)


class _Collected:
    """What was read so far, and how far that is."""

    def __init__(self, position: LogPosition, wanted: Callable[[host_pb2.LogLine], bool]) -> None:
        self._position = position
        self._wanted = wanted
        self._lines: list[ReadLine] = []

    def add(self, message: host_pb2.LogLine, **position: Any) -> None:
        """Add a line, and the place behind it."""
        self.pass_on(**position)
        if self._wanted(message):
            self._lines.append(ReadLine(message, self._position))

    def pass_on(self, **position: Any) -> None:
        """Move the place."""
        self._position = replace(self._position, **position)

    def part(self, *, more: bool, dropped: bool) -> LogPart:
        """Return all of it."""
        return LogPart(self._lines, self._position, more, dropped)


def _is_later(line: host_pb2.LogLine, printed_ns: int) -> bool:
    return line.time.ToNanoseconds() > printed_ns
