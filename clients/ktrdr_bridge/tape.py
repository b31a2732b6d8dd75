"""Append rows to a journal's segments."""

import json
import math
import mmap
import operator
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CellType
from typing import Any, NoReturn

from ktrdr_bridge.compiled import NEVER, Cells, compile_writer
from ktrdr_bridge.layout import (
    MAX_ROW_BYTES,
    PUBLISHED_OFFSET,
    ROWS_OFFSET,
    Context,
    Kind,
    body_struct,
    encode_segment,
    row_bytes,
    row_struct,
)
from ktrdr_bridge.segments import Refusal, Segments

_MAX_COMPILED = 64
_SHARED = ("position", "rows", "mapping", "published", "completed", "batch_total")


@dataclass(frozen=True, slots=True)
class Event:
    """One event on the general path; `base` and `detail` as in docs/journal.md."""

    kind: Kind
    step: int
    metrics: Mapping[str, float]
    phase: int
    base: int
    detail: int


class Tape:
    """The rows of one journal, seen by its writer.

    Args:
        segments: Where further segments come from.
        segment_bytes: Their size.
        incarnation: The journal's id, which every segment repeats.
        on_segments: Called with the number of segments once a new one can be read.
        on_refusal: Called with a header flag when there is no further segment; nothing is recorded after that.
    """

    def __init__(
        self,
        segments: Segments,
        segment_bytes: int,
        incarnation: bytes,
        on_segments: Callable[[int], None],
        on_refusal: Callable[[int], None],
    ) -> None:
        self._segments = segments
        self._segment_bytes = segment_bytes
        self._incarnation = incarnation
        self._on_segments = on_segments
        self._on_refusal = on_refusal
        self._number = -1
        self._first_seq = 0
        self._schema_ids: dict[tuple[str, ...], int] = {}
        self._orders: dict[frozenset[str], tuple[str, ...]] = {}
        self._compiled: dict[tuple[Kind, tuple[str, ...]], tuple[Any, Cells]] = {}
        self._active: dict[Kind, Cells] = {}
        self.shared: Cells = {name: CellType(None) for name in _SHARED}
        self.shared["position"].cell_contents = segment_bytes
        self.shared["rows"].cell_contents = 0
        self.shared["completed"].cell_contents = 0
        self.shared["batch_total"].cell_contents = NEVER
        self.recording = True

    @property
    def next_seq(self) -> int:
        """Seq of the next row."""
        return self._first_seq + int(self.shared["rows"].cell_contents)

    @property
    def completed(self) -> int:
        """Units of the phase that are done."""
        return int(self.shared["completed"].cell_contents)

    @completed.setter
    def completed(self, value: int) -> None:
        self.shared["completed"].cell_contents = operator.index(value)
        self.shared["batch_total"].cell_contents = NEVER

    def start(self) -> None:
        """Open the first segment of a new journal."""
        self._roll()

    def continue_at(self, number: int, first_seq: int, rows: int, position: int) -> None:
        """Go on in an existing segment, after its last valid row; what lies behind it is zeroed."""
        mapping = self._segments.existing(number)
        mapping[position:] = bytes(len(mapping) - position)
        self._use(mapping, number, first_seq, position, rows)

    def append(self, event: Event) -> bool:
        """Write one row the general way.

        Returns:
            False when nothing is recorded any more.

        Raises:
            TypeError: A metric has no name, or isn't a number; the step isn't an integer.
            ValueError: There are more metrics than fit into a segment.
        """
        if not self.recording:
            return False
        names = self._order(event.metrics)
        values = [_number(name, event.metrics[name]) for name in names]
        step = operator.index(event.step)
        body = body_struct(len(values), wide=not 0 <= step < 2**32)
        size = row_bytes(body.size)
        definition = _definition(names)
        most = min(MAX_ROW_BYTES, (self._segment_bytes - ROWS_OFFSET) // 2)
        if max(row_bytes(len(definition)), size) > most:
            message = f"{len(names)} metrics in one event don't fit into a segment of {self._segment_bytes} bytes"
            raise ValueError(message)
        if not self._make_room(size, names, definition):
            return False
        wide = body is not body_struct(len(values), wide=False)
        schema = self._schema_ids[names]
        context = Context(size, event.kind, wide, schema, event.phase, event.base, event.detail).encode()
        rows = self.shared["rows"].cell_contents
        self._put(context, body.pack(time.time(), rows, step, *values), size)
        self.shared["rows"].cell_contents = rows + 1
        self.shared["published"].cell_contents[0] = rows + 1
        if self.shared["position"].cell_contents > self._segment_bytes // 2:
            self._segments.prepare_ahead(self._number + 1)
        self._activate(event, names, context, wide=wide)
        return True

    def writer(self, kind: Kind, metrics: Mapping[str, float], other: Callable[..., None]) -> Any:
        """Return the compiled writer for such metrics; made when an event with these names was seen before."""
        names = self._order(metrics)
        found = self._compiled.get((kind, names))
        if found is None:
            if len(self._compiled) >= _MAX_COMPILED:
                return None
            own: Cells = {"size": CellType(-1), "context": CellType(b"")}
            found = compile_writer(kind, names, self.shared, own, other), own
            self._compiled[kind, names] = found
        return found[0]

    def invalidate(self) -> None:
        """Send the next event of each kind down the general path: its context has changed."""
        for own in self._active.values():
            own["size"].cell_contents = -1
        self._active.clear()

    def close(self) -> None:
        """Unmap everything; no event may follow."""
        self.recording = False
        self.invalidate()
        self._release()

    def _activate(self, event: Event, names: tuple[str, ...], context: bytes, *, wide: bool) -> None:
        own = self._active.pop(event.kind, None)
        if own is not None:
            own["size"].cell_contents = -1
        found = self._compiled.get((event.kind, names))
        if found is None or wide:
            return
        own = self._active[event.kind] = found[1]
        own["context"].cell_contents = context
        own["size"].cell_contents = len(names)
        if event.kind is Kind.BATCH:
            self.shared["batch_total"].cell_contents = event.detail

    def _order(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        key = frozenset(metrics)
        names = self._orders.get(key)
        if names is None:
            for name in metrics:
                if not _is_name(name):
                    message = f"a metric's name must be a non-empty text, not {name!r}"
                    raise TypeError(message)
            names = tuple(metrics)
            if len(self._orders) < 4_096:
                self._orders[key] = names
        return names

    def _make_room(self, size: int, names: tuple[str, ...], definition: bytes) -> bool:
        known = names in self._schema_ids
        needed = size + (0 if known else row_bytes(len(definition)))
        if self.shared["position"].cell_contents + needed > self._segment_bytes:
            if not self._roll():
                return False
            known = False
        if not known:
            schema = self._schema_ids[names] = len(self._schema_ids)
            length = row_bytes(len(definition))
            self._put(Context(length, Kind.SCHEMA, False, schema, 0, 0, 0).encode(), definition, length)
        return True

    def _put(self, context: bytes, body: bytes, size: int) -> None:
        position = self.shared["position"].cell_contents
        row_struct(len(body)).pack_into(self.shared["mapping"].cell_contents, position, zlib.crc32(body), context, body)
        self.shared["position"].cell_contents = position + size

    def _roll(self) -> bool:
        number = self._number + 1
        taken = self._segments.take(number)
        if isinstance(taken, Refusal):
            self.recording = False
            self.invalidate()
            self._on_refusal(taken.flag)
            return False
        header = encode_segment(number, self.next_seq, self._incarnation)
        taken[: len(header)] = header
        self._use(taken, number, self.next_seq, ROWS_OFFSET, 0)
        self._on_segments(number + 1)
        if number > 0:
            self._segments.prepare_ahead(number + 1)
        return True

    def _use(self, mapping: mmap.mmap, number: int, first_seq: int, position: int, rows: int) -> None:
        self.invalidate()
        self._release()
        published = memoryview(mapping)[PUBLISHED_OFFSET : PUBLISHED_OFFSET + 8].cast("Q")
        published[0] = rows
        state = {"mapping": mapping, "published": published, "position": position, "rows": rows}
        for name, value in state.items():
            self.shared[name].cell_contents = value
        self._number, self._first_seq = number, first_seq
        self._schema_ids.clear()

    def _release(self) -> None:
        published, mapping = self.shared["published"].cell_contents, self.shared["mapping"].cell_contents
        if mapping is not None:
            published.release()
            mapping.close()
        self.shared["mapping"].cell_contents = None


def _definition(names: Sequence[str]) -> bytes:
    text = json.dumps(names, separators=(",", ":")).encode()
    return text.ljust((len(text) + 7) // 8 * 8)


def _number(name: str, value: object) -> float:
    try:
        if isinstance(value, str | bytes | bytearray):
            return _not_a_number(name, value)
        return float(value)  # type: ignore[arg-type]  # anything with __float__ or __index__; the rest raises TypeError
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # only a huge integer overflows
    except (TypeError, ValueError):
        return _not_a_number(name, value)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name != ""


def _not_a_number(name: str, value: object) -> NoReturn:
    message = f"metric {name!r} must be a number or a 0-d tensor, not {type(value).__name__}"
    raise TypeError(message)
