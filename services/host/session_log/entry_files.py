"""The files of a session's entries: the one that is written, and the one before it."""

import contextlib
import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from services.host.session_log.entries import ROTATED
from services.host.session_log.lines import RawLine, read_back, read_lines

NO_FILE: Final = bytes(8)
_FINGERPRINTED_BYTES: Final = 4096


@dataclass(frozen=True)
class EntryLine:
    """A line with an entry.

    Attributes:
        line: The line.
        file: Fingerprint of its file.
    """

    line: RawLine
    file: bytes


@dataclass(frozen=True)
class EntryLines:
    """What was read of the entries.

    Attributes:
        lines: The lines, in order.
        file: Fingerprint of the file to go on in.
        position: Position there.
        more: There may be more to read at once.
        dropped: Lines before these are gone.
    """

    lines: list[EntryLine]
    file: bytes
    position: int
    more: bool = False
    dropped: bool = False


@dataclass(frozen=True)
class _OpenFile:
    file: BinaryIO
    fingerprint: bytes
    follows: bool
    """Its first line says that other files came before it."""


class EntryFiles:
    """Reads a session's entries, while they are written and rotated.

    A file is known by a fingerprint of its first line, which has a time in microseconds: a number would have to be kept
    somewhere, and the file system gives the number of a removed file to the next one.

    Args:
        path: The file that is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, file: bytes, position: int, *, ended: bool) -> EntryLines:
        """Read on, up to a chunk.

        Args:
            file: Fingerprint of the file that was read last; NO_FILE for the beginning.
            position: Position in it.
            ended: Nobody writes any more.
        """
        with self._open() as files:
            if not files:
                return EntryLines([], file, position, dropped=file != NO_FILE)
            places = [index for index, each in enumerate(files) if each.fingerprint == file]
            if places:
                index, dropped = places[0], False
            else:
                index, position, dropped = 0, 0, file != NO_FILE or files[0].follows
            current = files[index]
            last = index + 1 == len(files)
            read = read_lines(current.file, position, ended=ended or not last)
            lines = [EntryLine(line, current.fingerprint) for line in read.lines if not _is_rotation(line)]
            if read.more or last:
                return EntryLines(lines, current.fingerprint, read.position, more=read.more, dropped=dropped)
            return EntryLines(lines, files[index + 1].fingerprint, 0, more=True, dropped=dropped)

    def backwards(self) -> Generator[EntryLine, None, None]:
        """Yield the lines that are there, the last one first."""
        with self._open() as files:
            for each in reversed(files):
                for line in read_back(each.file):
                    if not _is_rotation(line):
                        yield EntryLine(line, each.fingerprint)

    def end(self) -> tuple[bytes, int]:
        """Return the place behind the last line."""
        with self._open() as files:
            if not files:
                return NO_FILE, 0
            last = next(read_back(files[-1].file), None)
            return files[-1].fingerprint, 0 if last is None else last.end

    @contextlib.contextmanager
    def _open(self) -> Iterator[list[_OpenFile]]:
        """Open the files that have a line, the oldest first."""
        with ExitStack() as stack:
            found: list[_OpenFile] = []
            # In this order a rotation in between makes the same file appear twice, instead of one be overlooked.
            for path in (self._path, self._path.with_name(f"{self._path.name}.1")):
                with contextlib.suppress(FileNotFoundError):
                    file = _fingerprinted(stack.enter_context(path.open("rb")))
                    if file is not None and all(each.fingerprint != file.fingerprint for each in found):
                        found.insert(0, file)
            yield found


def _fingerprinted(file: BinaryIO) -> _OpenFile | None:
    content = file.read(_FINGERPRINTED_BYTES)
    line, end, _ = content.partition(b"\n")
    if not end and len(content) < _FINGERPRINTED_BYTES:
        return None  # not a line yet
    return _OpenFile(file, blake2b(line, digest_size=8).digest(), _is_rotation(RawLine(line, 0, len(line))))


def _is_rotation(line: RawLine) -> bool:
    """Tell whether a line only says that the file follows another one."""
    if line.start != 0 or ROTATED.encode() not in line.content:
        return False
    try:
        entry = json.loads(line.content)
    except ValueError:
        return False
    return isinstance(entry, dict) and entry.get("event") == ROTATED
