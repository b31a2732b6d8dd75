"""Whole lines of a file that is being written, from a position on or backwards from its end."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 128 * 1024
"""Most that is read at once, so that the memory of a reader is bounded."""
_BLOCK_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class RawLine:
    """One line.

    Attributes:
        content: Its bytes, without its end.
        start: Position of its first byte in the file.
        end: Position behind it.
        whole: False where only its beginning was read, because it is longer than a chunk.
    """

    content: bytes
    start: int
    end: int
    whole: bool = True


@dataclass(frozen=True)
class RawLines:
    """What was read.

    Attributes:
        lines: The lines, in order.
        position: Where to go on.
        more: There may be more to read at once.
    """

    lines: list[RawLine]
    position: int
    more: bool


def read_lines(file: BinaryIO, position: int, *, ended: bool) -> RawLines:
    """Read lines from a position on, up to a chunk.

    A position within a line is one that a chunk ended at, or the file was cut at: the rest of that line is passed over.

    Args:
        file: The file.
        position: Where to begin.
        ended: Nobody writes to the file any more: a last line without its end counts as one.
    """
    position = _line_start(file, position)
    file.seek(position)
    content = file.read(CHUNK_BYTES)
    full = len(content) == CHUNK_BYTES
    length = content.rfind(b"\n") + 1
    if length == 0 and full:
        end = position + len(content)
        return RawLines([RawLine(content, position, end, whole=False)], end, more=True)
    lines, start = [], position
    for line in content[:length].split(b"\n")[:-1]:
        lines.append(RawLine(line, start, start + len(line) + 1))
        start += len(line) + 1
    rest = content[length:]
    if rest and ended and not full:
        lines.append(RawLine(rest, start, start + len(rest)))
        start += len(rest)
    return RawLines(lines, start, more=full)


def read_back(file: BinaryIO, begin: int = 0) -> Iterator[RawLine]:
    """Yield the lines that have an end, the last one first.

    Args:
        file: The file.
        begin: Position of its first line.
    """
    position = file.seek(0, os.SEEK_END)
    pending = b""  # what was read and not yielded: the file from `position` on
    while position > begin:
        size = min(_BLOCK_BYTES, position - begin)
        position -= size
        file.seek(position)
        block = file.read(size)
        if len(block) < size:
            return  # the file was cut meanwhile
        pending = block + pending
        while (cut := pending.rfind(b"\n", 0, len(pending) - 1)) >= 0:
            line, pending = pending[cut + 1 :], pending[: cut + 1]
            if line.endswith(b"\n"):
                yield RawLine(line[:-1], position + cut + 1, position + cut + 1 + len(line))
    if pending.endswith(b"\n"):
        yield RawLine(pending[:-1], begin, begin + len(pending))


def _line_start(file: BinaryIO, position: int) -> int:
    """Return the position of the first line from `position` on, the end of the file if none begins there."""
    if position == 0:
        return 0
    file.seek(position - 1)
    before = file.read(1)
    while before and before != b"\n":
        content = file.read(CHUNK_BYTES)
        cut = content.find(b"\n")
        if cut >= 0:
            return position + cut + 1
        position += len(content)
        before = content
    return position
