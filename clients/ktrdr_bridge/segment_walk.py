"""Read one segment of a journal file, from a place in it to its published end."""

import os
from typing import Final

from ktrdr_bridge.points import PointColumns
from ktrdr_bridge.rows import Run, SegmentWalker

_FIRST_BYTES: Final = 65_536
_ATTEMPTS: Final = 3
_SHOWN_RANGES: Final = 5


class Losses:
    """Ranges of rows that couldn't be read."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """Note that the rows from seq `first` to `last` are lost."""
        self._ranges.append((first, last))

    def sentence(self, *, end_lost: bool) -> str:
        """Say what was lost; empty when nothing was."""
        if not self._ranges:
            return "the journal's end is cut off or damaged" if end_lost else ""
        rows = sum(last - first + 1 for first, last in self._ranges)
        shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in self._ranges[:_SHOWN_RANGES])
        tail = ", …" if len(self._ranges) > _SHOWN_RANGES else ""
        cut = " (the journal's end is cut off or damaged)" if end_lost else ""
        return f"{rows} damaged {'row' if rows == 1 else 'rows'} left out: seq {shown}{tail}{cut}"


class SegmentWalk:
    """One walk through a segment.

    Args:
        descriptor: The journal, open for reading.
        offset: Where the segment starts in the file.
        size: Its size.
        published: How many rows it has.
        walker: Where to start; it is moved.
    """

    def __init__(self, descriptor: int, offset: int, size: int, published: int, walker: SegmentWalker) -> None:
        self.walker = walker
        self._descriptor = descriptor
        self._offset = offset
        self._segment_bytes = size
        self._published = published
        self._data = b""
        self._start = walker.position
        self._block_bytes = 0
        self._attempts = 0

    def to_end(self) -> None:
        """Walk over all rows."""
        self._skip(self._published, Losses())

    def collect(self, wanted: int, columns: PointColumns, max_points: int, losses: Losses) -> None:
        """Walk over the rows before `wanted`, then collect rows until there are enough points.

        Args:
            wanted: Index of the first row to collect; the walker is there or before it.
            columns: Gets the points.
            max_points: How many are enough.
            losses: Gets the rows from `wanted` on that can't be read.
        """
        self._skip(wanted, Losses())
        first_seq = self.walker.head.first_seq
        while self.walker.index < self._published and columns.points < max_points:
            run = self._next(max(wanted, self.walker.index), losses, self._published, max_points - columns.points)
            if run is not None:
                columns.add(first_seq + run.index, run)

    def _skip(self, end: int, losses: Losses) -> None:
        while self.walker.index < end:
            self._next(end, losses, end - self.walker.index, None)

    def _next(self, wanted: int, losses: Losses, most_rows: int, most_points: int | None) -> Run | None:
        """Move over the next rows, or over damage; None when there are no more that can be read."""
        walker, published = self.walker, self._published
        while True:
            run = walker.step(self._data, self._start, published, most_rows=most_rows, most_points=most_points)
            if run is not None or not self._read_on(walker.position):
                break
        if run is None:
            run = walker.find(self._data, self._start, published)
        reached = published if run is None else run.index
        if wanted < reached:
            losses.add(walker.head.first_seq + wanted, walker.head.first_seq + reached - 1)
        if run is None:
            walker.give_up(published)
        return run

    def _read_on(self, position: int) -> bool:
        """Read more from `position` on; False when everything to the segment's end was looked at three times.

        More than once, because a processor may show another one's published count before its row.
        """
        if position > self._start or self._block_bytes == 0:
            self._block_bytes, self._attempts = _FIRST_BYTES, 0
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
