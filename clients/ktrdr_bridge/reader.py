"""The reader's side of a journal.

It only reads, by `pread`: a reader can't slow or change what it reads, nor be killed by it.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ktrdr_bridge.layout import (
    BODY_OFFSET,
    FLAG_STOPPED,
    FLAGS_OFFSET,
    HEADER_READ_BYTES,
    PUBLISHED_OFFSET,
    ROWS_OFFSET,
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
from ktrdr_bridge.segment_walk import Losses, SegmentWalk
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
    end_lost: bool

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
        end_lost = cut_off or (count > 0 and segments[-1] is None)
        return _Header(identity, newest_state(data), flags, _counted(segments, identity.first_bytes), end_lost)

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
        losses, columns, seq = Losses(), PointColumns(), start
        for segment in header.segments:
            if segment is None or segment.first_seq + segment.published <= seq:
                continue
            if segment.first_seq > seq:
                losses.add(seq, segment.first_seq - 1)
                seq = segment.first_seq
            walk = self._walk(header, segment, self._walker_for(segment.head, seq - segment.first_seq))
            walk.collect(seq - segment.first_seq, columns, max_points, losses)
            self._walker = walk.walker
            seq = segment.first_seq + walk.walker.index
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
            more=seq < header.end_seq,
            reset=reset,
            series=columns.series(),
            progress=derive_progress(state, row, seq_of_row, tail.completed if tail is not None else None),
            recording=not header.flags & FLAG_STOPPED,
            damage=losses.sentence(end_lost=header.end_lost),
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
        self._walk(header, segment, self._tail).to_end()
        return self._tail

    def _walk(self, header: _Header, segment: _Segment, walker: SegmentWalker) -> SegmentWalk:
        offset, size = segment_span(segment.head.number, header.identity.first_bytes)
        return SegmentWalk(self._descriptor, offset, size, segment.published, walker)


def _counted(segments: list[_Segment | None], first_bytes: int) -> list[_Segment | None]:
    """Return the segments with counts that can be: the counter itself has no CRC.

    Where the next segment's header is whole, its first seq tells how many rows the one before it has.
    """
    counted: list[_Segment | None] = []
    following: _Segment | None = None
    for segment in reversed(segments):
        if segment is None:
            counted.append(None)
            continue
        rows = segment.published
        if following is None:
            rows = min(rows, (segment_span(segment.head.number, first_bytes)[1] - ROWS_OFFSET) // BODY_OFFSET)
        else:
            between = max(0, following.first_seq - segment.first_seq)
            adjoining = following.head.number == segment.head.number + 1
            rows = between if adjoining else min(rows, between)
        counted.append(segment if rows == segment.published else _Segment(segment.head, rows))
        following = segment
    return counted[::-1]
