"""Append rows to a journal's segments."""

import mmap
import operator
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import CellType
from typing import Any, Protocol

from ktrdr_bridge.compiled import CompiledWriter, Counters, compile_writer
from ktrdr_bridge.identity import Identity
from ktrdr_bridge.layout import (
    MAX_ROW_BYTES,
    Context,
    Kind,
    body_struct,
    row_bytes,
    row_struct,
)
from ktrdr_bridge.schema import Schema, Schemas
from ktrdr_bridge.segment_head import FLAG_GOES_ON, LOW, ROWS_OFFSET, WORDS, WORDS_OFFSET, SegmentHead, base_of
from ktrdr_bridge.segments import Refusal
from ktrdr_bridge.successor import Prepared

_MAX_COMPILED = 64
_MAX_SCHEMAS = 65_536
_SCHEMAS_KEPT = 4_096
_PUBLISHED, SEQUENCE, FLAGS = 0, 1, 2
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
    """The segment that is written to, and its three words."""

    mapping: mmap.mmap
    words: memoryview
    head: SegmentHead


@dataclass(slots=True)
class _Active:
    """The one compiled writer of a kind that may write now, and what its rows have in common."""

    writer: CompiledWriter
    context: Context


class Storage(Protocol):
    """The file, as its tape sees it."""

    @property
    def identity(self) -> Identity:
        """The file's identity; half of its first segment must hold any event."""

    @property
    def words(self) -> tuple[int, int]:
        """The newest state's sequence, and the flags."""

    def take(self, number: int) -> mmap.mmap | Refusal:
        """Return a new, empty segment."""

    def prepare_ahead(self, head: SegmentHead) -> None:
        """Get ready, in the background, for the time after this segment, the last one."""

    def successor(self, *, wait: bool) -> Prepared | None:
        """Return the next generation of the file once it is prepared, waiting for one that was begun if asked to."""

    def move_to(self, next_: Prepared) -> bool:
        """Put the next generation, complete now, in the file's place."""

    def leave_old(self) -> None:
        """Close the file that was replaced, which nothing uses any more."""

    def count_segments(self, count: int) -> None:
        """Let readers see so many segments."""

    def refuse(self, flag: int) -> None:
        """Note that nothing is recorded any more."""


class Tape:
    """The rows of one journal, seen by its writer.

    Args:
        storage: Where the segments come from.

    Attributes:
        recording: False once nothing is recorded any more.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._base = 0
        self._number = -1
        self._segment: _Mapped | None = None
        self._schemas = Schemas()
        self._ids: dict[Schema, int] = {}
        self._next_id = 0
        self._defined: set[Schema] = set()
        self._compiled: dict[tuple[Kind, Schema], CompiledWriter] = {}
        self._active: dict[Kind, _Active] = {}
        self._counters = Counters(CellType(0), CellType(0), CellType(0))
        self.recording = True

    @property
    def next_seq(self) -> int:
        """Seq of the next row."""
        return self._base + int(self._counters.rows.cell_contents)

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

    def continue_in(
        self,
        mapping: mmap.mmap | None,
        head: SegmentHead,
        next_seq: int,
        position: int,
        schemas: Mapping[int, tuple[str, ...]],
    ) -> None:
        """Go on in an existing segment, after its last valid row; what lies behind it is zeroed.

        Args:
            mapping: The segment; None when there is no space for it: then nothing is recorded.
            head: Its header.
            next_seq: Seq of the next row.
            position: Where that goes.
            schemas: The metric names that the segment defines, by schema number.
        """
        for number, names in schemas.items():
            schema = self._schemas.remember(names)
            self._ids[schema] = number
            self._defined.add(schema)
            self._next_id = max(self._next_id, number + 1)
        if mapping is not None:
            mapping[position:] = bytes(len(mapping) - position)
            self._use(mapping, head, next_seq, position)
            return
        self.recording = False
        self._number, self._base = head.number, head.base
        self._counters.position.cell_contents, self._counters.rows.cell_contents = position, next_seq - head.base

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
        smallest = self._storage.identity.first_bytes
        if max(schema.definition_bytes, size) > min(MAX_ROW_BYTES, (smallest - ROWS_OFFSET) // 2):
            message = f"{len(schema.names)} metrics in one event don't fit into a segment of {smallest} bytes"
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
        segment.words[_PUBLISHED] = rows + 1
        if end > len(segment.mapping) // 2:
            self._storage.prepare_ahead(segment.head)
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

    def show(self, word: int, value: int) -> None:
        """Set one of the words beside the published count: `SEQUENCE` or `FLAGS`."""
        if self._segment is not None:
            self._segment.words[word] = value

    def ring(self) -> None:
        """Send the next event down the general path, where the next generation is looked for; from any thread.

        A bell that isn't heard, because the writer switches a compiled writer on just then, does no harm.
        """
        for active in list(self._active.values()):
            active.writer.variables["mapping"] = None

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
        writer.switch_on(segment.mapping, segment.words, context.encode(), context.detail)

    def _make_room(self, size: int, schema: Schema, phase: int) -> _Mapped | None:
        needed = size + (0 if schema in self._defined else schema.definition_bytes)
        room = 0 if self._segment is None else len(self._segment.mapping) - self._counters.position.cell_contents
        numbered = schema in self._ids or self._next_id < _MAX_SCHEMAS
        full = needed > room or not numbered or self._counters.rows.cell_contents > LOW
        if full and self._segment is not None:
            self._storage.prepare_ahead(self._segment.head)
        next_ = self._storage.successor(wait=full)
        if next_ is not None:
            self._move(next_)
        if full:
            self._roll(phase)
        segment = self._segment if self.recording else None
        if segment is not None and schema not in self._defined:
            self._define(segment, schema)
        return segment

    def _define(self, segment: _Mapped, schema: Schema) -> None:
        number = self._ids.get(schema)
        if number is None:
            number = self._ids[schema] = self._next_id
            self._next_id += 1
        position = int(self._counters.position.cell_contents)
        row = schema.definition_row(number)
        segment.mapping[position : position + len(row)] = row
        self._counters.position.cell_contents = position + len(row)
        self._defined.add(schema)

    def _put(self, mapping: mmap.mmap, context: bytes, body: bytes, size: int) -> int:
        """Write a row behind the last one, unpublished; return where it ends.

        The caller moves the position, in one go with the count: an interrupt between would leave two rows of one seq.
        """
        position = int(self._counters.position.cell_contents)
        row_struct(len(body)).pack_into(mapping, position, zlib.crc32(body), context, body)
        return position + size

    def _move(self, next_: Prepared) -> None:
        """Go on in the next generation of the file, whose last segment has this one's rows but for the newest."""
        before = self._segment
        if before is None:
            return
        position, next_seq = int(self._counters.position.cell_contents), self.next_seq
        next_.mapping[next_.copied : position] = before.mapping[next_.copied : position]
        sequence, flags = self._storage.words
        WORDS.pack_into(next_.mapping, WORDS_OFFSET, next_seq - before.head.base, sequence, flags)
        if not self._storage.move_to(next_):
            return
        self.show(FLAGS, flags | FLAG_GOES_ON)
        self._use(next_.mapping, next_.head, next_seq, position)
        self._storage.leave_old()
        self._storage.prepare_ahead(next_.head)

    def _roll(self, phase: int) -> None:
        number, first_seq = self._number + 1, self.next_seq
        taken = self._storage.take(number)
        if isinstance(taken, Refusal):
            self.recording = False
            self.invalidate()
            self._storage.refuse(taken.flag)
            return
        completed = min(max(self.completed, _LEAST), _MOST)
        head = SegmentHead(number, first_seq, completed, phase, first_seq, base=base_of(first_seq))
        header = head.encode(self._storage.identity.incarnation)
        taken[: len(header)] = header
        sequence, flags = self._storage.words
        WORDS.pack_into(taken, WORDS_OFFSET, first_seq - head.base, sequence, flags)
        self._storage.count_segments(number + 1)
        self.show(FLAGS, flags | FLAG_GOES_ON)
        self._defined.clear()
        if len(self._ids) > _SCHEMAS_KEPT:
            self._ids.clear()
            self._next_id = 0
        self._use(taken, head, first_seq, ROWS_OFFSET)
        if number > 0:
            self._storage.prepare_ahead(head)

    def _use(self, mapping: mmap.mmap, head: SegmentHead, next_seq: int, position: int) -> None:
        self.invalidate()
        self._release()
        words = memoryview(mapping)[WORDS_OFFSET : WORDS_OFFSET + WORDS.size].cast("Q")
        words[_PUBLISHED] = next_seq - head.base
        words[SEQUENCE], words[FLAGS] = self._storage.words
        self._segment = _Mapped(mapping, words, head)
        self._counters.position.cell_contents = position
        self._counters.rows.cell_contents = next_seq - head.base
        self._number, self._base = head.number, head.base

    def _release(self) -> None:
        if self._segment is not None:
            self._segment.words.release()
            self._segment.mapping.close()
        self._segment = None
