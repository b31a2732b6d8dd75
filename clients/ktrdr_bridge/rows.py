"""Walk the rows of one segment; used by readers, and by a writer that resumes."""

import json
import zlib
from dataclasses import dataclass, field

from ktrdr_bridge.layout import (
    BODY_OFFSET,
    ROW_HEAD,
    ROWS_OFFSET,
    Context,
    Kind,
    SegmentHead,
    body_struct,
    decode_context,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it was written; `index` counts the rows of its segment from 0."""

    index: int
    time_ns: int
    step: int
    context: Context
    names: tuple[str, ...]
    values: tuple[float, ...]


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
        completed: Where the phase stood after these rows, by the header and the rows that say so.
        schemas: The metric names defined so far, by schema number.
    """

    head: SegmentHead
    position: int = ROWS_OFFSET
    index: int = 0
    last: Row | None = None
    completed: "Completed | None" = None
    schemas: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.completed = Completed(self.head.completed, self.head.phase & 0xFFFF, self.head.first_seq - 1)

    def step(self, segment: bytes, start: int, published: int) -> Row | None:
        """Move over the next row and return it.

        Args:
            segment: Bytes of the segment from offset `start` on.
            start: Where they start; at most `position`.
            published: How many rows the segment has; there must be one left.

        Returns:
            None, without moving, when there is no valid row here.
        """
        while True:
            here = self.position - start
            context = _valid_context(segment, here)
            if context is None:
                return None
            if context.kind is not Kind.SCHEMA:
                break
            names = _decode_names(segment[here + BODY_OFFSET : here + context.row_bytes])
            if names is None:
                return None
            self.schemas[context.schema] = names
            self.position += context.row_bytes
        row = self._decode(segment, here, context, published)
        if row is not None:
            self.position += context.row_bytes
            if row.index > self.index:
                self.completed = None
            self.index = row.index + 1
            self.last = row
            if context.kind is not Kind.BATCH:
                self.completed = Completed(row.step, context.phase, self.head.first_seq + row.index)
        return row

    def find(self, segment: bytes, start: int, published: int) -> Row | None:
        """Look for the next valid row behind damaged bytes, and move over it; rows start at multiples of 8."""
        kept = self.position
        for position in range(kept + 8, start + len(segment) - BODY_OFFSET, 8):
            here = position - start
            if segment[here + 8] or segment[here + 9]:
                self.position = position
                row = self.step(segment, start, published)
                if row is not None:
                    return row
        self.position = kept
        return None

    def _decode(self, segment: bytes, here: int, context: Context, published: int) -> Row | None:
        names = self.schemas.get(context.schema)
        if names is None:
            return None
        head_bytes = 24 if context.wide else 16
        if context.row_bytes != BODY_OFFSET + head_bytes + 8 * len(names):
            return None
        body = body_struct(len(names), wide=context.wide)
        seconds, index, step, *values = body.unpack_from(segment, here + BODY_OFFSET)
        if not self.index <= index < published:
            return None
        return Row(index, round(seconds * 1e9), step, context, names, tuple(values))


def _valid_context(segment: bytes, here: int) -> Context | None:
    if here + BODY_OFFSET > len(segment):
        return None
    crc, data = ROW_HEAD.unpack_from(segment, here)
    context = decode_context(data)
    if context is None or here + context.row_bytes > len(segment):
        return None
    body = segment[here + BODY_OFFSET : here + context.row_bytes]
    return context if zlib.crc32(body) == crc else None


def _decode_names(body: bytes) -> tuple[str, ...] | None:
    try:
        names = json.loads(body)
    except ValueError:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
