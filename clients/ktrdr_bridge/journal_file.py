"""Make and open journal files for writing."""

import fcntl
import mmap
import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

from ktrdr_bridge.errors import JournalInUse
from ktrdr_bridge.header import Header
from ktrdr_bridge.identity import (
    HEADER_BYTES,
    HEADER_READ_BYTES,
    LAYOUT_VERSION,
    MOST_DOUBLINGS,
    SEGMENT_GRAIN_BYTES,
    Identity,
    UnreadableJournal,
    decode_identity,
)
from ktrdr_bridge.place import Place
from ktrdr_bridge.progress import completed_units
from ktrdr_bridge.reserve import Reserve
from ktrdr_bridge.rows import SegmentWalker
from ktrdr_bridge.segment_head import FLAG_NO_SPACE, ROWS_OFFSET, SegmentHead, decode_segment
from ktrdr_bridge.segments import Refusal, Segments
from ktrdr_bridge.state import State
from ktrdr_bridge.successor import SHARE_TO_FREE, Prepared, Source, Successor
from ktrdr_bridge.tape import FLAGS, SEQUENCE, Tape

_SEGMENTS_IN_LIMIT = 16
_LEAST_SEGMENTS = 2


class JournalFile:
    """A journal open for writing: its header, and the tape of its rows.

    Args:
        place: Where it is; closed by this object.
        descriptor: The file, locked by `flock`; closed by this object.
        identity: The header's constant part.
        limit_bytes: Bound of the file; of both together while a next generation is made.
        reserve: How file space is reserved.

    Raises:
        UnreadableJournal: Not even the header is whole.
    """

    def __init__(self, place: Place, descriptor: int, identity: Identity, limit_bytes: int, reserve: Reserve) -> None:
        self._place = place
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._reserve = reserve
        self.identity = identity
        self.state = State()
        self._header = Header(descriptor, identity)
        self._segments = Segments(descriptor, identity, limit_bytes, reserve)
        self._left = -1
        self._ready_for = -1
        self._successor: Successor | None = None
        self._thinnable = True
        self._refusal: Refusal | None = None
        self.tape = Tape(self)

    @property
    def words(self) -> tuple[int, int]:
        """The newest state's sequence, and the flags."""
        return self.state.sequence, self._header.flags

    def take(self, number: int) -> mmap.mmap | Refusal:
        """Return a new, empty segment."""
        return self._refusal or self._segments.take(number)

    def prepare_ahead(self, head: SegmentHead) -> None:
        """Get ready, in the background, for the time after the last segment: another one, or the next generation."""
        if self._ready_for == head.number:
            return
        self._ready_for = head.number
        if not self._must_thin(head.number) or not self._begin_successor(head):
            self._segments.prepare_ahead(head.number + 1)

    def successor(self, *, wait: bool) -> Prepared | None:
        """Return the next generation, once it is prepared; if `wait`, as soon as one that was begun is."""
        successor = self._successor
        if successor is None or not (wait or successor.ready):
            return None
        outcome = successor.finish()
        if isinstance(outcome, Prepared):
            return outcome
        self._successor = None
        self._thinnable = False
        self._refusal = outcome
        return None

    def move_to(self, next_: Prepared) -> bool:
        """Make the next generation, whose last segment is complete now, the journal.

        Returns:
            False when it can't be; it is closed then, and the journal goes on as it is.
        """
        next_.header.copy_from(self._header)
        next_.header.segment_count = next_.head.number + 1
        next_.header.write_identity()
        try:
            self._place.promote_next()
        except OSError:
            next_.close()
            self._place.discard_next()
            self._left = -1
            self.leave_old()
            self._thinnable = False
            return False
        self._segments.close()
        self._header.close()
        self._left = self._descriptor
        self._descriptor, self.identity, self._header = next_.descriptor, next_.identity, next_.header
        self._segments = Segments(self._descriptor, self.identity, self._limit_bytes, self._reserve)
        self._ready_for = -1
        return True

    def leave_old(self) -> None:
        """Close the file that the next generation has replaced."""
        successor, self._successor = self._successor, None
        if successor is not None:
            successor.dismiss(self._left)

    def count_segments(self, count: int) -> None:
        """Let readers see so many segments."""
        self._header.segment_count = count

    def refuse(self, flag: int) -> None:
        """Note that nothing is recorded any more, and why."""
        self._set_flags(self._header.flags | flag)

    def start(self) -> None:
        """Make a new journal readable: the first segment, then the identity."""
        self.tape.start(phase=0)
        self._header.write_identity()

    def go_on(self) -> None:
        """Find the end of an existing journal and continue there.

        Raises:
            UnreadableJournal: The end can't be found.
        """
        self.state = self._header.newest_state()
        if self._header.segment_count == 0:
            self._header.flags = 0
            self.tape.completed = int(self.state.completed)
            self.tape.start(self.state.ordinal)
        else:
            self._continue_last_segment(self._header.segment_count - 1)

    def write_state(self, **changes: object) -> None:
        """Publish the next state snapshot."""
        sequence = self.state.sequence + 1
        self.state = replace(self.state, sequence=sequence, updated_ns=time.time_ns(), **changes)  # type: ignore[arg-type]  # the fields of State, by name
        self._header.write_state(self.state)
        self.tape.show(SEQUENCE, sequence)

    def close(self, flag: int) -> None:
        """Set a header flag, give back the space that was reserved and not used, and close the file."""
        if self._successor is not None:
            self._successor.abandon()
        self._segments.close()
        self._set_flags(self._header.flags | flag)
        self.tape.close()
        last = self._header.segment_count - 1
        used = HEADER_BYTES if last < 0 else self.identity.span(last)[0] + self.tape.end_offset
        os.ftruncate(self._descriptor, used)
        self._release()

    def settle(self) -> None:
        """Let no thread of this journal be alive, before this process forks: a child inherits locks, not threads."""
        self._segments.settle()
        if self._successor is not None:
            self._successor.settle()

    def disown(self) -> None:
        """Unmap and close without touching the journal: in a forked child, or when it turns out to be unusable."""
        if self._successor is not None:
            self._successor.forget()
        self._segments.forget()
        self.tape.close()
        self._release()

    def _release(self) -> None:
        self._header.close()
        os.close(self._descriptor)
        self._place.close()

    def _set_flags(self, flags: int) -> None:
        self._header.flags = flags
        self.tape.show(FLAGS, flags)

    def _must_thin(self, number: int) -> bool:
        """Whether, with one more segment after this one, there would not be room any more for a next generation."""
        if not self._thinnable or number < _LEAST_SEGMENTS:
            return False
        offset, size = self.identity.span(number + 1)
        thinned = -(-int((offset - HEADER_BYTES) * (1 - SHARE_TO_FREE)) // size) * size
        return offset + size + HEADER_BYTES + thinned + size > self._limit_bytes

    def _begin_successor(self, head: SegmentHead) -> bool:
        source = Source(self._descriptor, self.identity, head, lambda: self.tape.end_offset)
        try:
            self._successor = Successor(source, self._place, self._limit_bytes, self._reserve, self.tape.ring)
        except OSError:
            self._thinnable = False
            return False
        self._successor.start()
        return True

    def _continue_last_segment(self, number: int) -> None:
        offset, size = self.identity.span(number)
        segment = os.pread(self._descriptor, size, offset)
        found = decode_segment(segment, number, self.identity.incarnation, LAYOUT_VERSION)
        if found is None or found.head.end_seq:
            raise UnreadableJournal("the journal's last segment is damaged")
        self._header.flags = 0
        head = found.head
        walker = SegmentWalker(head)
        most_rows = (size - ROWS_OFFSET) // 8
        most_seq = head.first_seq + most_rows
        while walker.step(segment, 0, most_seq, most_rows=most_rows) or walker.find(segment, 0, most_seq):
            pass
        units = completed_units(self.state, walker.last, walker.completed)
        self.tape.completed = int(self.state.completed if units is None else units)
        # Rows that were published and are damaged now keep their seqs: readers may have had them.
        next_seq = max(walker.seq, found.end_seq if found.end_seq < most_seq else 0)
        try:
            mapping = self._segments.existing(number)
        except OSError:
            self.refuse(FLAG_NO_SPACE)
            mapping = None
        self.tape.continue_in(mapping, head, next_seq, walker.position, walker.schemas)


def create_journal(path: Path, *, limit_bytes: int, segment_bytes: int, reserve: Reserve) -> JournalFile:
    """Make a new journal; readers see it once it is whole.

    Raises:
        FileExistsError: Something is at `path`.
        OSError: Not even the header can be made.
    """
    place = Place(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except BaseException:
        place.close()
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        reserve(descriptor, 0, HEADER_BYTES)
        first_bytes, doublings = _segment_sizes(segment_bytes, limit_bytes)
        identity = Identity(uuid.uuid4().bytes, time.time_ns(), first_bytes, doublings)
        file = JournalFile(place, descriptor, identity, limit_bytes, reserve)
    except BaseException:
        os.close(descriptor)
        path.unlink()
        place.close()
        raise
    file.start()
    return file


def resume_journal(path: Path, *, limit_bytes: int, segment_bytes: int, reserve: Reserve) -> JournalFile:
    """Open a journal to go on with it; an unusable one is moved aside and a new one made, as where there is none.

    Raises:
        JournalInUse: Another process writes it.
        OSError: It can't be opened or made.
    """
    try:
        descriptor = _open_locked(path)
    except FileNotFoundError:
        return create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
    file: JournalFile | None = None
    place: Place | None = None
    try:
        identity = _identity_to_write(descriptor)
        place = Place(path)
        place.discard_next()
        file = JournalFile(place, descriptor, identity, limit_bytes, reserve)
        file.go_on()
    except UnreadableJournal:
        _close(file, place, descriptor)
        _move_aside(path)
        return create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
    except BaseException:
        _close(file, place, descriptor)
        raise
    return file


def _close(file: JournalFile | None, place: Place | None, descriptor: int) -> None:
    if file is not None:
        file.disown()
        return
    os.close(descriptor)
    if place is not None:
        place.close()


def _open_locked(path: Path) -> int:
    """Open and lock the file at a path; a writer may replace it meanwhile.

    Raises:
        JournalInUse: Another process writes it.
        OSError: It can't be opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock(descriptor, path)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _segment_sizes(segment_bytes: int, limit_bytes: int) -> tuple[int, int]:
    """Return (size of the first segment, doublings).

    No segment gets more than a share of the bound: thinning needs room for some beside the journal.
    """
    most = max(limit_bytes // _SEGMENTS_IN_LIMIT // SEGMENT_GRAIN_BYTES, 1) * SEGMENT_GRAIN_BYTES
    wanted = max(-(-segment_bytes // SEGMENT_GRAIN_BYTES), 1) * SEGMENT_GRAIN_BYTES
    first_bytes = min(wanted, most)
    doublings = next((n for n in range(MOST_DOUBLINGS) if first_bytes << (n + 1) > most), MOST_DOUBLINGS)
    return first_bytes, doublings


def _identity_to_write(descriptor: int) -> Identity:
    identity = decode_identity(os.pread(descriptor, HEADER_READ_BYTES, 0))
    if identity.version != LAYOUT_VERSION:
        raise UnreadableJournal("a journal of another layout version is read, never written")
    return identity


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalInUse(f"another process writes {path}") from error


def _move_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.name}.unusable-{number}")).exists():
        number += 1
    path.rename(aside)
