"""Walk the rows of one segment; used by readers, and by a writer that resumes."""

import json
import sys
import zlib
from array import array
from dataclasses import dataclass, field
from typing import Any

from ktrdr_bridge.layout import (
    BODY_OFFSET,
    ROW_HEAD,
    ROWS_OFFSET,
    Context,
    Kind,
    SegmentHead,
    decode_context,
    row_struct,
)


@dataclass(frozen=True, slots=True)
class Row:
    """What progress needs of one row; `index` counts the rows of its segment from 0."""

    index: int
    time_ns: int
    step: int
    context: Context


@dataclass(frozen=True, slots=True)
class Run:
    """Rows that follow each other and have the same names.

    Attributes:
        index: The first one's.
        names: Of their values.
        steps: One a row.
        table: Row after row, `width` numbers each: first the unix time in seconds, last the values.
        width: Numbers a row.
    """

    index: int
    names: tuple[str, ...]
    steps: "array[int]"
    table: "array[float]"
    width: int


@dataclass(frozen=True, slots=True)
class Completed:
    """Units of a phase that were done after the row `seq`."""

    units: int
    phase: int
    seq: int


@dataclass(slots=True)
class SegmentWalker:
    """A place in a segment, and what the rows up to it told.

    Attributes:
        head: The segment's header.
        position: Offset of the next row in the segment.
        index: The next row's index.
        last: The row before, when it was walked over.
        completed: Where the phase stood after these rows, by the header and the rows that say so; None when damage
            hides it.
        schemas: The metric names defined so far, by schema number.
    """

    head: SegmentHead
    position: int = ROWS_OFFSET
    index: int = 0
    last: Row | None = None
    completed: Completed | None = None
    schemas: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.completed = Completed(self.head.completed, self.head.phase & 0xFFFF, self.head.first_seq - 1)

    def step(
        self, segment: bytes, start: int, published: int, *, most_rows: int = 1, most_points: int | None = None
    ) -> Run | None:
        """Move over the next rows and return them: at least one, and no more than have the same context.

        Args:
            segment: Bytes of the segment from offset `start` on.
            start: Where they start; at most `position`.
            published: How many rows the segment has; there must be one left.
            most_rows: No more rows than that.
            most_points: No more values than that, if one row at least fits.

        Returns:
            None, without moving, when there is no valid row here.
        """
        while True:
            here = self.position - start
            context = _context_of_valid_row(segment, here)
            if context is None:
                return None
            if context.kind is not Kind.SCHEMA:
                break
            names = _decode_names(segment[here + BODY_OFFSET : here + context.row_bytes])
            if names is None:
                return None
            self.schemas[context.schema] = names
            self.position += context.row_bytes
        names = self.schemas.get(context.schema)
        head_bytes = 24 if context.wide else 16
        if names is None or context.row_bytes != BODY_OFFSET + head_bytes + 8 * len(names):
            return None
        if most_points is not None:
            most_rows = min(most_rows, max(1, most_points // max(1, len(names))))
        return self._take(_bodies(segment, here, context.row_bytes, most_rows), context, names, published)

    def find(self, segment: bytes, start: int, published: int) -> Run | None:
        """Look for the next valid row behind damaged bytes, and move over it; rows start at multiples of 8."""
        kept = self.position
        for position in range(kept + 8, start + len(segment) - BODY_OFFSET, 8):
            here = position - start
            if segment[here + 8] or segment[here + 9]:
                self.position = position
                run = self.step(segment, start, published)
                if run is not None:
                    return run
        self.position = kept
        return None

    def give_up(self, published: int) -> None:
        """Go on behind rows that can't be read; later ones will be looked for."""
        self.index = published
        self.completed = None

    def _take(self, bodies: list[bytes], context: Context, names: tuple[str, ...], published: int) -> Run | None:
        width = len(bodies[0]) // 8
        data = b"".join(bodies)
        indices = _numbers("I", data)[2 :: 2 * width]
        first = indices[0]
        count = min(len(bodies), published - first)
        if first < self.index or count <= 0:
            return None
        if indices[:count] != array("I", range(first, first + count)):
            count = next(number for number in range(1, count) if indices[number] != first + number)
        table = _numbers("d", data)[: count * width]
        steps = _numbers("q", data)[2::width] if context.wide else array("q", _numbers("I", data)[3 :: 2 * width])
        if first > self.index:
            self.completed = None
        self.position += count * context.row_bytes
        self.index = first + count
        self.last = Row(self.index - 1, round(table[-width] * 1e9), steps[count - 1], context)
        if context.kind is not Kind.BATCH:
            self.completed = Completed(self.last.step, context.phase, self.head.first_seq + self.last.index)
        return Run(first, names, steps[:count], table, width)


def _context_of_valid_row(segment: bytes, here: int) -> Context | None:
    if here + BODY_OFFSET > len(segment):
        return None
    crc, data = ROW_HEAD.unpack_from(segment, here)
    context = decode_context(data)
    if context is None or here + context.row_bytes > len(segment):
        return None
    body = segment[here + BODY_OFFSET : here + context.row_bytes]
    return context if zlib.crc32(body) == crc else None


def _bodies(segment: bytes, here: int, row_bytes: int, most: int) -> list[bytes]:
    """Return the bodies of the valid rows from `here` on that have the first one's context."""
    whole = min(most, (len(segment) - here) // row_bytes)
    rows = row_struct(row_bytes - BODY_OFFSET).iter_unpack(memoryview(segment)[here : here + whole * row_bytes])
    _, expected = ROW_HEAD.unpack_from(segment, here)
    found: list[bytes] = []
    for crc, context, body in rows:
        if context != expected or zlib.crc32(body) != crc:
            break
        found.append(body)
    return found


def _numbers(code: str, data: bytes) -> "array[Any]":
    numbers: array[Any] = array(code)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _decode_names(body: bytes) -> tuple[str, ...] | None:
    try:
        names = json.loads(body)
    except ValueError:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
