"""Append rows to a journal's segments."""

import mmap
import operator
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import CellType
from typing import Any

from ktrdr_bridge.compiled import CompiledWriter, Counters, compile_writer
from ktrdr_bridge.layout import (
    MAX_ROW_BYTES,
    PUBLISHED_OFFSET,
    ROWS_OFFSET,
    Context,
    Kind,
    SegmentHead,
    body_struct,
    row_bytes,
    row_struct,
)
from ktrdr_bridge.schema import Schema, Schemas
from ktrdr_bridge.segments import Refusal, Segments

_MAX_COMPILED = 64
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """One event on the general path; `detail` as in docs/journal.md."""

    kind: Kind
    step: int
    metrics: Mapping[str, float]
    phase: int
    detail: int


@dataclass(frozen=True, slots=True)
class _Mapped:
    """The segment that is written to, and its published count."""

    mapping: mmap.mmap
    published: memoryview


@dataclass(slots=True)
class _Active:
    """The one compiled writer of a kind that may write now, and what its rows have in common."""

    writer: CompiledWriter
    context: Context


class Tape:
    """The rows of one journal, seen by its writer.

    Args:
        segments: Where further segments come from.
        first_bytes: Size of the first one, half of which every event must fit into.
        incarnation: The journal's id, which every segment repeats.
        on_segments: Called with the number of segments once a new one can be read.
        on_refusal: Called with a header flag when there is no further segment; nothing is recorded after that.

    Attributes:
        recording: False once nothing is recorded any more.
    """

    def __init__(
        self,
        segments: Segments,
        first_bytes: int,
        incarnation: bytes,
        on_segments: Callable[[int], None],
        on_refusal: Callable[[int], None],
    ) -> None:
        self._segments = segments
        self._first_bytes = first_bytes
        self._incarnation = incarnation
        self._on_segments = on_segments
        self._on_refusal = on_refusal
        self._number = -1
        self._first_seq = 0
        self._segment: _Mapped | None = None
        self._schemas = Schemas()
        self._ids: dict[Schema, int] = {}
        self._compiled: dict[tuple[Kind, Schema], CompiledWriter] = {}
        self._active: dict[Kind, _Active] = {}
        self._counters = Counters(CellType(0), CellType(0), CellType(0))
        self.recording = True

    @property
    def next_seq(self) -> int:
        """Seq of the next row."""
        return self._first_seq + int(self._counters.rows.cell_contents)

    @property
    def end_offset(self) -> int:
        """Where the rows of the last segment end, counted from its start."""
        return int(self._counters.position.cell_contents)

    @property
    def completed(self) -> int:
        """Units of the phase that are done."""
        return int(self._counters.completed.cell_contents)

    @completed.setter
    def completed(self, value: int) -> None:
        self._counters.completed.cell_contents = operator.index(value)

    def start(self, phase: int) -> None:
        """Open the first segment of a journal."""
        self._roll(phase)

    def continue_in(self, mapping: mmap.mmap | None, number: int, first_seq: int, rows: int, position: int) -> None:
        """Go on in an existing segment, after its last valid row; what lies behind it is zeroed.

        Without a mapping (no space for it) nothing is recorded.
        """
        if mapping is not None:
            mapping[position:] = bytes(len(mapping) - position)
            self._use(mapping, number, first_seq, rows, position)
            return
        self.recording = False
        self._number, self._first_seq = number, first_seq
        self._counters.position.cell_contents, self._counters.rows.cell_contents = position, rows

    def append(self, event: Event) -> bool:
        """Write one row the general way.

        Returns:
            False when nothing is recorded any more.

        Raises:
            TypeError: A metric has no name, or isn't a number; the step isn't an integer.
            ValueError: There are more metrics than fit into a segment.
        """
        schema, step = self._schemas.of(event.metrics), operator.index(event.step)
        wide = not 0 <= step < 2**32
        size = row_bytes(body_struct(len(schema.names), wide=wide).size)
        if max(schema.definition_bytes, size) > min(MAX_ROW_BYTES, (self._first_bytes - ROWS_OFFSET) // 2):
            message = f"{len(schema.names)} metrics in one event don't fit into a segment of {self._first_bytes} bytes"
            raise ValueError(message)
        segment = self._make_room(size, schema, event.phase) if self.recording else None
        if segment is None:
            return False
        context = Context(size, event.kind, wide, self._ids[schema], event.phase, event.detail)
        rows = self._counters.rows.cell_contents
        body = schema.pack(time.time(), rows, step, event.metrics, wide=wide)
        end = self._put(segment.mapping, context.encode(), body, size)
        self._counters.position.cell_contents = end
        self._counters.rows.cell_contents = rows + 1
        segment.published[0] = rows + 1
        if end > len(segment.mapping) // 2:
            self._segments.prepare_ahead(self._number + 1)
        self._activate(schema, context)
        return True

    def writer(self, kind: Kind, metrics: Mapping[str, float], other: Callable[..., None]) -> Any:
        """Return the compiled writer for such metrics, or None when there are too many sets of names already.

        Raises:
            TypeError: A name isn't a non-empty text.
        """
        schema = self._schemas.of(metrics)
        found = self._compiled.get((kind, schema))
        if found is None:
            if len(self._compiled) >= _MAX_COMPILED:
                return None
            found = self._compiled[kind, schema] = compile_writer(kind, schema.names, self._counters, other)
        return found.write

    def refresh_batches(self, total: int) -> bool:
        """Let the compiled batch writer go on with another total.

        Returns:
            False when that isn't what kept it from writing.
        """
        active = self._active.get(Kind.BATCH)
        if active is None or type(total) is not int or active.context.detail == total:
            return False
        active.context = replace(active.context, detail=total)
        active.writer.variables.update(context=active.context.encode(), batch_total=total)
        return True

    def invalidate(self) -> None:
        """Send the next event of each kind down the general path: its context has changed."""
        for active in self._active.values():
            active.writer.switch_off()
        self._active.clear()

    def close(self) -> None:
        """Unmap everything; no event may follow."""
        self.recording = False
        self.invalidate()
        self._release()

    def _activate(self, schema: Schema, context: Context) -> None:
        before = self._active.pop(context.kind, None)
        if before is not None:
            before.writer.switch_off()
        writer = self._compiled.get((context.kind, schema))
        segment = self._segment
        if writer is None or context.wide or segment is None:
            return
        self._active[context.kind] = _Active(writer, context)
        writer.switch_on(segment.mapping, segment.published, context.encode(), context.detail)

    def _make_room(self, size: int, schema: Schema, phase: int) -> _Mapped | None:
        needed = size + (0 if schema in self._ids else schema.definition_bytes)
        room = 0 if self._segment is None else len(self._segment.mapping) - self._counters.position.cell_contents
        if needed > room:
            self._roll(phase)
        segment = self._segment if self.recording else None
        if segment is not None and schema not in self._ids:
            number, length = len(self._ids), schema.definition_bytes
            context = Context(length, Kind.SCHEMA, wide=False, schema=number, phase=0, detail=0).encode()
            self._counters.position.cell_contents = self._put(segment.mapping, context, schema.definition, length)
            self._ids[schema] = number
        return segment

    def _put(self, mapping: mmap.mmap, context: bytes, body: bytes, size: int) -> int:
        """Write a row behind the last one, unpublished; return where it ends.

        The caller moves the position, in one go with the count: an interrupt between would leave two rows of one seq.
        """
        position = int(self._counters.position.cell_contents)
        row_struct(len(body)).pack_into(mapping, position, zlib.crc32(body), context, body)
        return position + size

    def _roll(self, phase: int) -> None:
        number, first_seq = self._number + 1, self.next_seq
        taken = self._segments.take(number)
        if isinstance(taken, Refusal):
            self.recording = False
            self.invalidate()
            self._on_refusal(taken.flag)
            return
        completed = min(max(self.completed, _LEAST), _MOST)
        header = SegmentHead(number, first_seq, completed, phase).encode(self._incarnation)
        taken[: len(header)] = header
        self._use(taken, number, first_seq, 0, ROWS_OFFSET)
        self._on_segments(number + 1)
        if number > 0:
            self._segments.prepare_ahead(number + 1)

    def _use(self, mapping: mmap.mmap, number: int, first_seq: int, rows: int, position: int) -> None:
        self.invalidate()
        self._release()
        published = memoryview(mapping)[PUBLISHED_OFFSET : PUBLISHED_OFFSET + 8].cast("Q")
        published[0] = rows
        self._segment = _Mapped(mapping, published)
        self._counters.position.cell_contents = position
        self._counters.rows.cell_contents = rows
        self._number, self._first_seq = number, first_seq
        self._ids.clear()

    def _release(self) -> None:
        if self._segment is not None:
            self._segment.published.release()
            self._segment.mapping.close()
        self._segment = None
