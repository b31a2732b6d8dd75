"""What native code, the interpreter and the keeper printed: one file that is appended to, kept within a bound."""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from services.host.session_log.lines import CHUNK_BYTES, RawLine, read_back, read_lines

_HEAD: Final = "printed output, bytes {0} to {1}, from here on:"
_HEAD_BYTES: Final = 128


@dataclass(frozen=True)
class OutputLines:
    """What was read of the output.

    Attributes:
        lines: The lines, in order, at positions counted from the very beginning of the output.
        position: Where to go on.
        more: There may be more to read at once.
        dropped: Lines before these are gone.
    """

    lines: list[RawLine]
    position: int
    more: bool = False
    dropped: bool = False


class OutputFiles:
    """Reads a session's printed output, and trims it.

    The file is written through descriptors that the worker has inherited, so it cannot be rotated by renaming it. Once
    it is full its end is copied into the file before it, and it is emptied: the descriptors append, so they go on at
    its new end. What is printed in the instant between the last copy and the emptying is lost.

    The copy's first line says which bytes of the whole output it holds. So positions are counted from the very
    beginning of the output, and mean the same before and after a trim, and after a restart of the host.

    Args:
        path: The file that is written.
        lock: Held while the files are read or trimmed, so that neither sees the other half done.
    """

    def __init__(self, path: Path, lock: threading.Lock) -> None:
        self._path = path
        self._before = path.with_name(f"{path.name}.1")
        self._lock = lock

    def changed_ns(self) -> int:
        """Return when something was printed last, in Unix nanoseconds; 0 if nothing was."""
        with contextlib.suppress(OSError):
            status = self._path.stat()
            if status.st_size:
                return status.st_mtime_ns
        with contextlib.suppress(OSError):
            return self._before.stat().st_mtime_ns
        return 0

    def read(self, position: int, *, ended: bool) -> OutputLines:
        """Read on, up to a chunk.

        Args:
            position: Where to begin, counted from the very beginning of the output.
            ended: Nobody writes any more.
        """
        with self._open() as parts:
            for part in parts:
                dropped = position < part.begin
                at = max(position, part.begin)
                if at >= part.end and part is not parts[-1]:
                    continue
                if at > part.end:
                    at = part.begin  # somebody else has emptied the file: what is there now is new
                base = part.begin - part.head
                read = read_lines(part.file, at - base, ended=ended or part is not parts[-1])
                lines = [RawLine(each.content, each.start + base, each.end + base, each.whole) for each in read.lines]
                more = read.more or part is not parts[-1]
                return OutputLines(lines, read.position + base, more=more, dropped=dropped)
        return OutputLines([], position)

    def last_lines(self, count: int) -> list[RawLine]:
        """Return the last lines that are there, at most `count`, the last one first."""
        with self._open() as parts:
            return list(islice(_backwards(parts), count))

    def end(self) -> int:
        """Return the position behind the last line."""
        last = self.last_lines(1)
        return last[0].end if last else 0

    def trim(self, limit_bytes: int) -> bool:
        """Keep the output within its bound: twice the limit.

        Args:
            limit_bytes: Size from which on the file is emptied, and its end is kept in the file before it.

        Returns:
            Whether it was emptied.

        Raises:
            OSError: The files cannot be written; nothing has been emptied.
        """
        if not _is_larger(self._path, limit_bytes):
            return False
        with self._lock, ExitStack() as stack:
            file = stack.enter_context(self._path.open("r+b"))
            begun = self._kept_up_to()
            new = self._before.with_name(f"{self._before.name}.new")
            copy = stack.enter_context(new.open("wb"))
            skipped = max(0, os.fstat(file.fileno()).st_size - limit_bytes)
            file.seek(skipped)
            if skipped:
                skipped += len(file.readline(CHUNK_BYTES))
            copy.write(bytes(_HEAD_BYTES))
            copied = 0
            while chunk := file.read(CHUNK_BYTES):
                copied += copy.write(chunk)
            head = _HEAD.format(begun + skipped, begun + skipped + copied)
            copy.seek(0)
            copy.write(head.ljust(_HEAD_BYTES - 1).encode() + b"\n")
            copy.flush()
            new.replace(self._before)
            file.truncate(0)
        return True

    def _kept_up_to(self) -> int:
        with contextlib.suppress(OSError), self._before.open("rb") as file:
            return _head(file)[1]
        return 0

    @contextlib.contextmanager
    def _open(self) -> Iterator[list["_Part"]]:
        """Open the parts of the output that are there, the older first."""
        with self._lock, ExitStack() as stack:
            parts, begin = [], 0
            with contextlib.suppress(FileNotFoundError):
                before = stack.enter_context(self._before.open("rb"))
                first, begin = _head(before)
                parts.append(_Part(before, first, begin, _HEAD_BYTES))
            with contextlib.suppress(FileNotFoundError):
                file = stack.enter_context(self._path.open("rb"))
                parts.append(_Part(file, begin, begin + os.fstat(file.fileno()).st_size, 0))
            yield parts


@dataclass(frozen=True)
class _Part:
    """A file with a part of the output.

    Attributes:
        file: The file.
        begin: Position of its first byte in the whole output.
        end: Position behind its last byte.
        head: Bytes of the file before its first byte of output.
    """

    file: BinaryIO
    begin: int
    end: int
    head: int


def _backwards(parts: list[_Part]) -> Iterator[RawLine]:
    for part in reversed(parts):
        base = part.begin - part.head
        for line in read_back(part.file, part.head):
            yield RawLine(line.content, line.start + base, line.end + base)


def _head(file: BinaryIO) -> tuple[int, int]:
    """Return which bytes of the output a copy holds; (0, its size) for one whose head cannot be read."""
    words = file.read(_HEAD_BYTES).decode("ascii", errors="replace").split()
    try:
        return int(words[3]), int(words[5].rstrip(","))
    except (IndexError, ValueError):
        return 0, max(0, os.fstat(file.fileno()).st_size - _HEAD_BYTES)


def _is_larger(path: Path, limit_bytes: int) -> bool:
    try:
        return path.stat().st_size > limit_bytes
    except OSError:
        return False
