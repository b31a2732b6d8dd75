"""Read one segment of a journal file, from a place in it to its published end."""

import os
from collections.abc import Iterator
from copy import copy
from typing import Final

from ktrdr_bridge.losses import Losses
from ktrdr_bridge.points import PointColumns
from ktrdr_bridge.rows import Run, SegmentWalker

_LEAST_BYTES: Final = 512
_MOST_BYTES: Final = 65_536
_ATTEMPTS: Final = 3
_ROWS_AT_ONCE: Final = 256


class SegmentWalk:
    """One walk through a segment.

    Args:
        descriptor: The journal, open for reading.
        offset: Where the segment starts in the file.
        size: Its size.
        end_seq: Where its rows end.
        walker: Where to start; it is moved.
    """

    def __init__(self, descriptor: int, offset: int, size: int, end_seq: int, walker: SegmentWalker) -> None:
        self.walker = walker
        self._descriptor = descriptor
        self._offset = offset
        self._segment_bytes = size
        self._end_seq = end_seq
        self._data = b""
        self._start = walker.position
        self._block_bytes = 0
        self._attempts = 0

    def to_end(self) -> None:
        """Walk over all rows."""
        losses = Losses()
        while self.walker.seq < self._end_seq:
            self._next(self._end_seq, losses, 1, None)

    def collect(self, wanted: int, columns: PointColumns, max_points: int, losses: Losses) -> None:
        """Walk over the rows before the seq `wanted`, then collect rows until there are enough points.

        Args:
            wanted: Seq of the first row to collect; the walker is there or before it.
            columns: Gets the points.
            max_points: How many are enough.
            losses: Gets the rows from `wanted` on that can't be read.
        """
        while self.walker.seq < self._end_seq and columns.points < max_points:
            run = self._next(wanted, losses, self._end_seq, max_points - columns.points)
            if run is not None and run.seqs:
                columns.add(run)

    def rows_beyond(self) -> int:
        """Return how many rows, up to two, are whole behind the published end: more than one never is."""
        beyond = copy(self.walker)
        beyond.schemas, beyond.levels = dict(beyond.schemas), dict(beyond.levels)
        size = min(self._segment_bytes - beyond.position, _MOST_BYTES)
        data = os.pread(self._descriptor, size, self._offset + beyond.position)
        rows = 0
        while rows < 2 and beyond.step(data, self.walker.position, beyond.seq + 1) is not None:
            rows += 1
        return rows

    def runs(self, losses: Losses) -> Iterator[tuple[Run, bytes]]:
        """Walk over all rows; yield them with their bytes, not too many at once."""
        while self.walker.seq < self._end_seq:
            run = self._next(0, losses, _ROWS_AT_ONCE, None)
            if run is not None:
                begin = run.position - self._start
                yield run, self._data[begin : begin + len(run.seqs) * run.context.row_bytes]

    def _next(self, wanted: int, losses: Losses, most_rows: int, most_points: int | None) -> Run | None:
        """Move over the next rows, or over damage; None when there are no more that can be read."""
        walker, end_seq = self.walker, self._end_seq
        thinned = walker.head.end_seq > 0
        if thinned and walker.rows == walker.head.rows:
            walker.seq = end_seq
            return None
        before = walker.seq
        while True:
            run = walker.step(
                self._data, self._start, end_seq, wanted=wanted, most_rows=most_rows, most_points=most_points
            )
            if run is not None or not self._read_on(walker.position):
                break
        damaged = run is None
        if run is None:
            run = walker.find(self._data, self._start, end_seq, wanted)
        if damaged or not thinned:
            self._note_losses(before, run, wanted, losses)
        if run is None:
            walker.give_up(end_seq)
        return run

    def _note_losses(self, before: int, run: Run | None, wanted: int, losses: Losses) -> None:
        """Note the rows between `before` and a run that can't be read, as far as they were wanted."""
        reached = self._end_seq if run is None else run.begin
        first = max(before, wanted)
        if first < reached:
            losses.add(first, reached - 1, some=self.walker.head.end_seq > 0)

    def _read_on(self, position: int) -> bool:
        """Read more from `position` on; False when everything to the segment's end was looked at three times.

        More than once, because a processor may show another one's published count before its row.
        """
        if position > self._start or self._block_bytes == 0:
            self._block_bytes, self._attempts = self._likely_bytes(), 0
        elif self._block_bytes < self._segment_bytes:
            self._block_bytes *= 4
        else:
            self._attempts += 1
            if self._attempts >= _ATTEMPTS:
                return False
        self._start = position
        size = min(self._block_bytes, self._segment_bytes - position)
        self._data = os.pread(self._descriptor, size, self._offset + position)
        return True

    def _likely_bytes(self) -> int:
        """Return how many bytes the rows that are left may have: as many as if all were like the last one."""
        last = self.walker.last
        row_bytes = last.context.row_bytes if last is not None else _LEAST_BYTES
        return min(max((self._end_seq - self.walker.seq) * row_bytes, _LEAST_BYTES), _MOST_BYTES)
