"""Pack the rows that stay into the segments of a journal's next generation.

Rows are copied byte for byte: their numbers are the low halves of their seqs and their schema numbers hold for the
whole journal, so neither changes with the segment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ktrdr_bridge.layout import Kind, with_level
from ktrdr_bridge.rows import Completed, Run
from ktrdr_bridge.schema import Schema
from ktrdr_bridge.segment_head import LOW, ROWS_OFFSET, SegmentHead, base_of

_WRITE_BYTES = 65_536
Write = Callable[[int, int, bytes], None]
"""`(segment number, offset in the segment, bytes)`."""


@dataclass(slots=True)
class _Open:
    """The segment that is filled: its header so far, how many rows it has, and the names and levels it defines."""

    head: SegmentHead
    rows: int
    schemas: dict[int, tuple[str, ...]]
    levels: dict[int, int]


class Packer:
    """Fills thinned segments, one after the other.

    Args:
        segment_bytes: Size of each.
        incarnation: The journal's.
        begin: Called with the number of a segment before anything is written to it.
        write: Writes bytes of a segment.

    Attributes:
        rows: How many rows were packed.
        lost: How many were told to be damaged.
    """

    def __init__(self, segment_bytes: int, incarnation: bytes, begin: Callable[[int], None], write: Write) -> None:
        self._segment_bytes = segment_bytes
        self._incarnation = incarnation
        self._begin = begin
        self._write = write
        self._number = -1
        self._open: _Open | None = None
        self._buffer = bytearray()
        self._position = ROWS_OFFSET
        self._unnoted = 0
        self.rows = 0
        self.lost = 0

    def put(self, run: Run, rows: bytes, kept: Sequence[int], level: int, completed: Completed) -> None:
        """Take the rows of a run that stay.

        Args:
            run: The run.
            rows: Its rows' bytes.
            kept: The numbers of those that stay.
            level: How far its series is thinned then.
            completed: What was completed before the run.
        """
        size, schema, done = run.context.row_bytes, run.context.schema, 0
        while done < len(kept):
            segment = self._open
            definition = self._definition(segment, run, level)
            if segment is None or self._room(segment, run, definition) < size:
                segment = self._next_segment(run, kept[done], completed)
                definition = self._definition(segment, run, level)
            if definition:
                self._append(definition)
                segment.schemas[schema] = run.names
                segment.levels[schema] = with_level(run.context.kind, level, segment.levels.get(schema, 0))
            fitting = (self._segment_bytes - self._position) // size
            taken = kept[done : done + fitting]
            self._append(b"".join([rows[row * size : (row + 1) * size] for row in taken]))
            segment.rows += len(taken)
            self.rows += len(taken)
            done += len(taken)

    def note_lost(self, rows: int) -> None:
        """Note that so many rows before the next one were damaged."""
        self.lost += rows
        self._unnoted += rows

    def end(self, end_seq: int) -> int:
        """Finish the last segment, which the row `end_seq` follows; return how many segments there are."""
        self._finish(end_seq)
        return self._number + 1

    def _definition(self, segment: _Open | None, run: Run, level: int) -> bytes:
        """Return the row that the run's rows need before them in a segment; empty if what it says is said already."""
        schema = run.context.schema
        levels = segment.levels.get(schema, -1) if segment is not None else -1
        wanted = with_level(run.context.kind, level, max(levels, 0))
        return b"" if levels == wanted else _definition_row(schema, run.names, wanted)

    def _room(self, segment: _Open, run: Run, definition: bytes) -> int:
        """Return how many bytes of the run's rows the segment can take; 0 where its numbers mean something else."""
        names = segment.schemas.get(run.context.schema)
        if names not in {None, run.names} or base_of(segment.head.first_seq) != base_of(run.seqs[0]):
            return 0
        return self._segment_bytes - self._position - len(definition)

    def _next_segment(self, run: Run, row: int, completed: Completed) -> _Open:
        first_seq = run.seqs[row]
        self._finish(first_seq)
        if row > 0 and run.context.kind is not Kind.BATCH:
            completed = Completed(run.steps[row - 1], run.context.phase, run.seqs[row - 1])
        if self._number < 0 and base_of(first_seq) == 0:
            first_seq = 0
        self._number += 1
        self._begin(self._number)
        head = SegmentHead(self._number, first_seq, completed.units, completed.phase, completed.seq + 1)
        self._open = _Open(head, 0, {}, {})
        self._position = ROWS_OFFSET
        return self._open

    def _finish(self, end_seq: int) -> None:
        if self._open is None:
            return
        self._flush()
        lost, self._unnoted = min(self._unnoted, LOW), 0
        head = replace(self._open.head, end_seq=end_seq, rows=self._open.rows, lost=lost)
        self._write(self._number, 0, head.encode(self._incarnation))
        self._open = None

    def _append(self, data: bytes) -> None:
        self._buffer += data
        self._position += len(data)
        if len(self._buffer) >= _WRITE_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._write(self._number, self._position - len(self._buffer), bytes(self._buffer))
        self._buffer.clear()


@lru_cache(maxsize=1_024)
def _definition_row(number: int, names: tuple[str, ...], levels: int) -> bytes:
    return Schema(names).definition_row(number, levels)
