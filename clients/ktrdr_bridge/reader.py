"""The reader's side of a journal.

It only reads, by `pread`: a reader can't slow or change what it reads, nor be killed by it.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ktrdr_bridge.layout import (
    FLAG_STOPPED,
    FLAGS_OFFSET,
    HEADER_READ_BYTES,
    PUBLISHED_OFFSET,
    SEGMENT_COUNT_OFFSET,
    SEGMENT_GRAIN_BYTES,
    Identity,
    SegmentHead,
    UnreadableJournal,
    decode_identity,
    decode_segment,
    segment_span,
)
from ktrdr_bridge.points import PointColumns, Series
from ktrdr_bridge.progress import ProgressSnapshot, derive_progress
from ktrdr_bridge.rows import SegmentWalker
from ktrdr_bridge.state import State, newest_state


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has read: the next row's seq, in one incarnation of the journal."""

    incarnation: str
    seq: int


@dataclass(frozen=True, slots=True)
class JournalRead:
    """What one read found.

    Attributes:
        incarnation: Id of the journal's life; empty when there is no journal yet, or it can't be read.
        next: Where the next read goes on.
        more: There are points left; read again from `next`.
        reset: `after` was of another incarnation or beyond the end, so this read started from the first row.
        series: New points, by metric.
        progress: How far the session is now, whatever was read.
        recording: False when the writer records no more points (bound reached, disk full).
        damage: Empty, or what couldn't be read, in a sentence.
    """

    incarnation: str
    next: Position
    more: bool = False
    reset: bool = False
    series: list[Series] = field(default_factory=list)
    progress: ProgressSnapshot = field(default_factory=ProgressSnapshot)
    recording: bool = True
    damage: str = ""


@dataclass(frozen=True, slots=True)
class _Segment:
    head: SegmentHead
    published: int

    @property
    def first_seq(self) -> int:
        return self.head.first_seq


@dataclass(frozen=True, slots=True)
class _Header:
    identity: Identity
    state: State
    flags: int
    segments: list[_Segment | None]
    cut_off: bool

    @property
    def incarnation(self) -> str:
        return self.identity.incarnation.hex()

    @property
    def end_seq(self) -> int:
        """Seq after the last published row."""
        return next((s.first_seq + s.published for s in reversed(self.segments) if s is not None), 0)


class JournalReader:
    """Reads one journal, any number of times, from any position; several readers don't know of each other.

    A missing file is a journal that doesn't exist yet. Damage is reported, never raised, and no value is returned whose
    CRC doesn't fit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._file_key = (-1, -1)
        self._incarnation = b""
        self._complete: dict[int, _Segment] = {}
        self._walker: SegmentWalker | None = None
        self._tail: SegmentWalker | None = None

    def read(self, after: Position | None = None, *, max_points: int = 10_000) -> JournalRead:
        """Return the points after a position, and the progress now.

        Args:
            after: `next` of an earlier read; None for everything.
            max_points: About how many values to return; a row is never split, and one row at least is read.
        """
        nothing = Position("", 0)
        try:
            header = self._read_header()
            if header is None:
                return JournalRead("", nothing, reset=after is not None and after != nothing)
            return self._read(header, after, max_points)
        except UnreadableJournal as problem:
            return JournalRead("", nothing, damage=str(problem))
        except OSError as error:
            return JournalRead("", nothing, damage=f"the journal can't be read: {error.strerror}")

    def end(self) -> Position:
        """Return the position after the last row, from the headers alone."""
        try:
            header = self._read_header()
        except (OSError, UnreadableJournal):
            header = None
        return Position("", 0) if header is None else Position(header.incarnation, header.end_seq)

    def state_token(self) -> int:
        """Return a number that changes whenever progress or the number of rows does; 0 without a journal."""
        try:
            header = self._read_header()
        except (OSError, UnreadableJournal):
            return 0
        if header is None:
            return 0
        life = int.from_bytes(header.identity.incarnation[:4], "little") << 8 | header.flags & 0xFF
        return (life << 128) | (header.state.sequence << 64) | header.end_seq

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self._forget()

    def _forget(self) -> None:
        self._complete.clear()
        self._walker = self._tail = None

    def _open(self) -> bool:
        """Open the file that the path names now; it may have been replaced since the last read."""
        try:
            status = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            return False
        if self._descriptor >= 0 and (status.st_dev, status.st_ino) == self._file_key:
            return True
        self.close()
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._file_key = (status.st_dev, status.st_ino)
        return True

    def _read_header(self) -> _Header | None:
        if not self._open():
            return None
        data = os.pread(self._descriptor, HEADER_READ_BYTES, 0)
        if not data.strip(b"\0"):
            return None
        identity = decode_identity(data)
        if identity.incarnation != self._incarnation:
            self._forget()
            self._incarnation = identity.incarnation
        flags = int.from_bytes(data[FLAGS_OFFSET : FLAGS_OFFSET + 8], "little")
        count = int.from_bytes(data[SEGMENT_COUNT_OFFSET : SEGMENT_COUNT_OFFSET + 8], "little")
        size = os.fstat(self._descriptor).st_size
        cut_off = count > 0 and size <= segment_span(count - 1, identity.first_bytes)[0]
        count = min(count, size // SEGMENT_GRAIN_BYTES)
        while count > 0 and size <= segment_span(count - 1, identity.first_bytes)[0]:
            count -= 1
        segments = [self._segment(number, count, identity) for number in range(count)]
        return _Header(identity, newest_state(data), flags, segments, cut_off)

    def _segment(self, number: int, count: int, identity: Identity) -> _Segment | None:
        known = self._complete.get(number)
        if known is not None:
            return known
        data = os.pread(self._descriptor, PUBLISHED_OFFSET + 8, segment_span(number, identity.first_bytes)[0])
        found = decode_segment(data, number, identity.incarnation)
        if found is None:
            return None
        segment = _Segment(*found)
        if number < count - 1:
            self._complete[number] = segment
        return segment

    def _read(self, header: _Header, after: Position | None, max_points: int) -> JournalRead:
        start, reset = 0, False
        if after is not None and after.incarnation:
            reset = after.incarnation != header.incarnation or after.seq > header.end_seq
            start = 0 if reset else after.seq
        losses = _Losses()
        columns = PointColumns()
        seq, stuck = start, False
        for number, segment in enumerate(header.segments):
            if segment is None or segment.first_seq + segment.published <= seq:
                continue
            if segment.first_seq > seq:
                losses.add(seq, segment.first_seq - 1)
                seq = segment.first_seq
            walker = self._walker_for(segment.head, seq - segment.first_seq)
            index = self._walk(header, walker, segment, seq - segment.first_seq, losses, columns, max_points)
            self._walker = walker
            stuck = columns.points < max_points and index < segment.published
            seq = segment.first_seq + (index if number == len(header.segments) - 1 or not stuck else segment.published)
            if columns.points >= max_points:
                break
        tail = self._walk_to_end(header)
        row = tail.last if tail is not None else None
        seq_of_row = tail.head.first_seq + row.index if tail is not None and row is not None else 0
        # Read after the rows: a state older than the last row would belong to another phase.
        state = newest_state(os.pread(self._descriptor, HEADER_READ_BYTES, 0))
        return JournalRead(
            incarnation=header.incarnation,
            next=Position(header.incarnation, seq),
            more=seq < header.end_seq and not stuck,
            reset=reset,
            series=columns.series(),
            progress=derive_progress(state, row, seq_of_row, tail.completed if tail is not None else None),
            recording=not header.flags & FLAG_STOPPED,
            damage=losses.sentence(cut_off=header.cut_off),
        )

    def _walker_for(self, head: SegmentHead, index: int) -> SegmentWalker:
        walker = self._walker
        return walker if walker is not None and walker.head == head and walker.index <= index else SegmentWalker(head)

    def _walk_to_end(self, header: _Header) -> SegmentWalker | None:
        """Return a walker behind the journal's last row."""
        segment = next((s for s in reversed(header.segments) if s is not None and s.published), None)
        if segment is None:
            return None
        walker = self._walker
        if walker is not None and walker.head == segment.head and walker.index >= segment.published:
            return walker
        if self._tail is None or self._tail.head != segment.head:
            self._tail = SegmentWalker(segment.head)
        self._walk(header, self._tail, segment, segment.published, _Losses(), None, 0)
        return self._tail

    def _walk(
        self,
        header: _Header,
        walker: SegmentWalker,
        segment: _Segment,
        wanted: int,
        losses: "_Losses",
        columns: PointColumns | None,
        max_points: int,
    ) -> int:
        """Walk a segment to its published end, or until there are enough points; return the index reached."""
        published = segment.published
        block = _Block(self._descriptor, *segment_span(segment.head.number, header.identity.first_bytes))
        while walker.index < published and (columns is None or columns.points < max_points):
            expected = walker.index
            row = walker.step(block.data, block.start, published)
            if row is None:
                if block.read_on(walker.position):
                    continue
                row = walker.find(block.data, block.start, published)
            reached = published if row is None else row.index
            if max(expected, wanted) < reached:
                losses.add(segment.first_seq + max(expected, wanted), segment.first_seq + reached - 1)
            if row is None:
                break
            if columns is not None and row.index >= wanted:
                columns.add(segment.first_seq + row.index, row)
        return walker.index


class _Block:
    """A stretch of a segment, read as far as needed."""

    _FIRST_BYTES = 65_536
    _ATTEMPTS = 3

    def __init__(self, descriptor: int, offset: int, segment_bytes: int) -> None:
        self._descriptor = descriptor
        self._segment_bytes = segment_bytes
        self._offset = offset
        self._attempts = 0
        self._size = 0
        self.data = b""
        self.start = 0

    def read_on(self, position: int) -> bool:
        """Read more from `position` on; False when everything to the segment's end was looked at three times.

        More than once, because a processor may show another one's published count before its row.
        """
        if position > self.start or not self.data:
            self._size, self._attempts = self._FIRST_BYTES, 0
        elif self.start + len(self.data) < self._segment_bytes and self._size < self._segment_bytes:
            self._size *= 4
        else:
            self._attempts += 1
            if self._attempts >= self._ATTEMPTS:
                return False
        self.start = position
        self.data = os.pread(self._descriptor, min(self._size, self._segment_bytes - position), self._offset + position)
        return True


class _Losses:
    """Ranges of rows that couldn't be read."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        self._ranges.append((first, last))

    def sentence(self, *, cut_off: bool) -> str:
        if not self._ranges:
            return "the journal's file is cut off" if cut_off else ""
        rows = sum(last - first + 1 for first, last in self._ranges)
        shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in self._ranges[:5])
        tail = ", …" if len(self._ranges) > 5 else ""
        cut = " (the file is cut off)" if cut_off else ""
        return f"{rows} damaged {'row' if rows == 1 else 'rows'} left out: seq {shown}{tail}{cut}"
