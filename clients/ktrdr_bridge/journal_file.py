"""Make and open journal files for writing."""

import fcntl
import mmap
import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

from ktrdr_bridge.errors import JournalInUse
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
from ktrdr_bridge.progress import completed_units
from ktrdr_bridge.reserve import Reserve
from ktrdr_bridge.rows import SegmentWalker
from ktrdr_bridge.segment_head import FLAG_NO_SPACE, ROWS_OFFSET, SegmentHead, decode_segment
from ktrdr_bridge.segments import Refusal, Segments
from ktrdr_bridge.state import SLOT_OFFSETS, State, newest_state
from ktrdr_bridge.tape import FLAGS, SEQUENCE, Tape

_SEGMENTS_IN_LIMIT = 16


class JournalFile:
    """A journal open for writing: its header, and the tape of its rows.

    Args:
        descriptor: The file, locked by `flock`; closed by this object.
        identity: The header's constant part.
        limit_bytes: Bound of the file.
        reserve: How file space is reserved.

    Raises:
        UnreadableJournal: Not even the header is whole.
    """

    def __init__(self, descriptor: int, identity: Identity, limit_bytes: int, reserve: Reserve) -> None:
        self._descriptor = descriptor
        self.identity = identity
        self.state = State()
        if os.fstat(descriptor).st_size < HEADER_BYTES:
            raise UnreadableJournal("the journal is cut off")
        self._header = mmap.mmap(descriptor, HEADER_BYTES)
        view = memoryview(self._header)
        offset = identity.flags_offset
        self._flags = view[offset : offset + 8].cast("Q")
        self._segment_count = view[offset + 8 : offset + 16].cast("Q")
        view.release()
        self._segments = Segments(descriptor, identity, limit_bytes, reserve)
        self.tape = Tape(self)

    @property
    def segment_count(self) -> int:
        """Segments that readers may read."""
        return self._segment_count[0]

    @property
    def words(self) -> tuple[int, int]:
        """The newest state's sequence, and the flags."""
        return self.state.sequence, self._flags[0]

    def take(self, number: int) -> mmap.mmap | Refusal:
        """Return a new, empty segment."""
        return self._segments.take(number)

    def prepare_ahead(self, head: SegmentHead) -> None:
        """Get ready, in the background, for the time after the last segment."""
        self._segments.prepare_ahead(head.number + 1)

    def count_segments(self, count: int) -> None:
        """Let readers see so many segments."""
        self._segment_count[0] = count

    def refuse(self, flag: int) -> None:
        """Note that nothing is recorded any more, and why."""
        self._set_flags(self._flags[0] | flag)

    def start(self) -> None:
        """Make a new journal readable: the first segment, then the identity."""
        self.tape.start(phase=0)
        identity = self.identity.encode()
        self._header[: len(identity)] = identity

    def go_on(self) -> None:
        """Find the end of an existing journal and continue there.

        Raises:
            UnreadableJournal: The end can't be found.
        """
        self.state = newest_state(self._header[:HEADER_READ_BYTES])
        if self.segment_count == 0:
            self._flags[0] = 0
            self.tape.completed = int(self.state.completed)
            self.tape.start(self.state.ordinal)
        else:
            self._continue_last_segment()

    def write_state(self, **changes: object) -> None:
        """Publish the next state snapshot: into the slot that doesn't hold the newest one."""
        sequence = self.state.sequence + 1
        self.state = replace(self.state, sequence=sequence, updated_ns=time.time_ns(), **changes)  # type: ignore[arg-type]  # the fields of State, by name
        data = self.state.encode()
        offset = SLOT_OFFSETS[sequence % 2]
        self._header[offset : offset + len(data)] = data
        self.tape.show(SEQUENCE, sequence)

    def close(self, flag: int) -> None:
        """Set a header flag, give back the space that was reserved and not used, and close the file."""
        self._segments.close()
        self._set_flags(self._flags[0] | flag)
        self.tape.close()
        last = self.segment_count - 1
        used = HEADER_BYTES if last < 0 else self.identity.span(last)[0] + self.tape.end_offset
        os.ftruncate(self._descriptor, used)
        self._release()

    def disown(self) -> None:
        """Unmap and close without touching the journal: in a forked child, or when it turns out to be unusable."""
        self._segments.forget()
        self.tape.close()
        self._release()

    def _release(self) -> None:
        self._flags.release()
        self._segment_count.release()
        self._header.close()
        os.close(self._descriptor)

    def _set_flags(self, flags: int) -> None:
        self._flags[0] = flags
        self.tape.show(FLAGS, flags)

    def _continue_last_segment(self) -> None:
        number = self.segment_count - 1
        offset, size = self.identity.span(number)
        segment = os.pread(self._descriptor, size, offset)
        found = decode_segment(segment, number, self.identity.incarnation, LAYOUT_VERSION)
        if found is None or found.head.end_seq:
            raise UnreadableJournal("the journal's last segment is damaged")
        self._flags[0] = 0
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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        reserve(descriptor, 0, HEADER_BYTES)
        first_bytes, doublings = _segment_sizes(segment_bytes, limit_bytes)
        identity = Identity(uuid.uuid4().bytes, time.time_ns(), first_bytes, doublings)
        file = JournalFile(descriptor, identity, limit_bytes, reserve)
    except BaseException:
        os.close(descriptor)
        path.unlink()
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
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
    try:
        _lock(descriptor, path)
        identity = _identity_to_write(descriptor)
        file = JournalFile(descriptor, identity, limit_bytes, reserve)
    except UnreadableJournal:
        os.close(descriptor)
        _move_aside(path)
        return create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
    except BaseException:
        os.close(descriptor)
        raise
    try:
        file.go_on()
    except UnreadableJournal:
        file.disown()
        _move_aside(path)
        return create_journal(path, limit_bytes=limit_bytes, segment_bytes=segment_bytes, reserve=reserve)
    return file


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
