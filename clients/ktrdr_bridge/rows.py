"""Walk the rows of one segment; used by readers, by a writer that resumes, and to thin."""

import json
import operator
import struct
import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from ktrdr_bridge.layout import (
    BODY_OFFSET,
    CONTEXT_BYTES,
    ROW_HEAD,
    Context,
    Kind,
    decode_context,
    level_of,
    row_struct,
)
from ktrdr_bridge.segment_head import ROWS_OFFSET, SegmentHead

# CRC, context, two halves of the time, row number, step of a narrow row
_ROW_START = struct.Struct(f"<I{CONTEXT_BYTES}sIIII")


@dataclass(slots=True)
class Row:
    """What progress needs of one row."""

    seq: int
    time_ns: int
    step: int
    context: Context


@dataclass(slots=True)
class Run:
    """Rows that follow each other and have the same context.

    Attributes:
        begin: Seq of the first one, also if it wasn't wanted.
        seqs: Those of the wanted ones; contiguous unless the segment is thinned.
        names: Of their values.
        steps: One a row.
        table: Row after row, `width` numbers each: first the unix time in seconds, last the values.
        width: Numbers a row.
        context: What they have in common.
        position: Where the first wanted one starts in the segment.
        level: Its series was thinned to every 2**level-th row here.
    """

    begin: int
    seqs: "array[int]"
    names: tuple[str, ...]
    steps: "array[int]"
    table: "array[float]"
    width: int
    context: Context
    position: int
    level: int


@dataclass(slots=True)
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
        seq: The next row's seq, or a lower one where rows are left out.
        rows: How many rows it moved over.
        last: The row before, when it was walked over.
        completed: Where the phase stood after these rows, by the header and the rows that say so; None when damage
            hides it.
        schemas: The metric names defined so far, by schema number.
        levels: How far their series are thinned, by schema number, as the row that defines them says it.
    """

    head: SegmentHead
    position: int = ROWS_OFFSET
    seq: int = 0
    rows: int = 0
    last: Row | None = None
    completed: Completed | None = None
    schemas: dict[int, tuple[str, ...]] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seq = self.head.first_seq
        self.completed = Completed(self.head.completed, self.head.phase & 0xFFFF, self.head.completed_seq - 1)

    def step(
        self,
        segment: bytes,
        start: int,
        end_seq: int,
        *,
        wanted: int = 0,
        most_rows: int = 1,
        most_points: int | None = None,
    ) -> Run | None:
        """Move over the next rows: at least one, and no more than have the same context.

        Args:
            segment: Bytes of the segment from offset `start` on.
            start: Where they start; at most `position`.
            end_seq: Where the segment's rows end; there must be one left.
            wanted: Rows before this seq aren't returned.
            most_rows: No more rows than that are.
            most_points: Nor more values than that, if one row at least fits.

        Returns:
            The rows from `wanted` on, maybe none; or None, without moving, when there is no valid row here.
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
            self.levels[context.schema] = context.detail
            self.position += context.row_bytes
        names = self.schemas.get(context.schema)
        head_bytes = 24 if context.wide else 16
        if names is None or context.row_bytes != BODY_OFFSET + head_bytes + 8 * len(names):
            return None
        if most_points is not None:
            most_rows = min(most_rows, max(1, most_points // max(1, len(names))))
        bodies = _bodies(segment, here, context.row_bytes, most_rows + max(0, wanted - self.seq))
        return self._take(bodies, context, names, end_seq, wanted, most_rows)

    def step_once(self, row: bytes) -> "array[float] | None":
        """Move over the next row if it is like the last one: the same context, the next seq.

        Args:
            row: As many bytes from `position` on as the last row had.

        Returns:
            The row's numbers: first the unix time in seconds, last the values; or None, without moving.
        """
        last = self.last
        if last is None or last.context.wide or len(row) != last.context.row_bytes:
            return None
        crc, context, _, _, low, step = _ROW_START.unpack_from(row)
        body = row[BODY_OFFSET:]
        seq = self.head.base + low
        if seq != self.seq or decode_context(context) is not last.context or crc32(body) != crc:
            return None
        table = _numbers("d", body)
        self.position += len(row)
        self.rows += 1
        self.seq = seq + 1
        self.last = Row(seq, round(table[0] * 1e9), step, last.context)
        if last.context.kind is not Kind.BATCH:
            self.completed = Completed(step, last.context.phase, seq)
        return table

    def find(self, segment: bytes, start: int, end_seq: int, wanted: int = 0) -> Run | None:
        """Look for the next valid row behind damaged bytes, and move over it; rows start at multiples of 8."""
        kept = self.position
        for position in range(kept + 8, start + len(segment) - BODY_OFFSET, 8):
            here = position - start
            if segment[here + 8] or segment[here + 9]:
                self.position = position
                run = self.step(segment, start, end_seq, wanted=wanted)
                if run is not None:
                    if run.context.kind is Kind.BATCH:
                        self.completed = None
                    return run
        self.position = kept
        return None

    def give_up(self, end_seq: int) -> None:
        """Go on behind rows that can't be read; later ones will be looked for."""
        self.seq = end_seq
        self.completed = None

    def _take(
        self, bodies: list[bytes], context: Context, names: tuple[str, ...], end_seq: int, wanted: int, most_rows: int
    ) -> Run | None:
        width = len(bodies[0]) // 8
        data = b"".join(bodies)
        halves = _numbers("I", data)
        table = _numbers("d", data)
        lows = halves[2 :: 2 * width]
        base = self.head.base
        first = base + lows[0]
        if not self.seq <= first < end_seq:
            return None
        dense = not self.head.end_seq
        if dense and first > self.seq:
            self.completed = None
        count = _in_order(lows, dense=dense)
        count = bisect_left(lows, end_seq - base, 0, count)
        skipped = bisect_left(lows, wanted - base, 0, count) if wanted > first else 0
        count = min(count, skipped + most_rows)
        steps = _numbers("q", data)[2::width] if context.wide else array("q", halves[3 :: 2 * width])
        position = self.position + skipped * context.row_bytes
        self.position += count * context.row_bytes
        self.rows += count
        self.seq = base + lows[count - 1] + 1
        last = Row(self.seq - 1, round(table[(count - 1) * width] * 1e9), steps[count - 1], context)
        self.last = last
        if context.kind is not Kind.BATCH:
            self.completed = Completed(last.step, context.phase, last.seq)
        return Run(
            first,
            array("Q", [base + low for low in lows[skipped:count]] if base else lows[skipped:count]),
            names,
            steps[skipped:count],
            table[skipped * width : count * width],
            width,
            context,
            position,
            level_of(context.kind, self.levels[context.schema]),
        )


def _context_of_valid_row(segment: bytes, here: int) -> Context | None:
    if here + BODY_OFFSET > len(segment):
        return None
    crc, data = ROW_HEAD.unpack_from(segment, here)
    context = decode_context(data)
    if context is None or here + context.row_bytes > len(segment):
        return None
    body = segment[here + BODY_OFFSET : here + context.row_bytes]
    return context if crc32(body) == crc else None


def _bodies(segment: bytes, here: int, row_bytes: int, most: int) -> list[bytes]:
    """Return the bodies of the valid rows from `here` on that have the first one's context."""
    whole = min(most, (len(segment) - here) // row_bytes)
    if whole == 1:
        return [segment[here + BODY_OFFSET : here + row_bytes]]
    rows = row_struct(row_bytes - BODY_OFFSET).iter_unpack(memoryview(segment)[here : here + whole * row_bytes])
    _, expected = ROW_HEAD.unpack_from(segment, here)
    found: list[bytes] = []
    for crc, context, body in rows:
        if context != expected or crc32(body) != crc:
            break
        found.append(body)
    return found


def _in_order(numbers: "array[int]", *, dense: bool) -> int:
    """Return how many numbers, from the first on, each follow the one before: by one if `dense`, else by any more."""
    count = len(numbers)
    if count == 1:
        return 1
    if dense:
        if numbers[-1] - numbers[0] == count - 1 and numbers == array("I", range(numbers[0], numbers[-1] + 1)):
            return count
        return next((place for place in range(1, count) if numbers[place] != numbers[0] + place), count)
    if all(map(operator.lt, numbers, numbers[1:])):
        return count
    return next(place for place in range(1, count) if numbers[place] <= numbers[place - 1])


def _numbers(code: str, data: bytes) -> "array[Any]":
    numbers: array[Any] = array(code, data)
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
