"""The next generation of a journal, prepared beside it by a thread while the writer goes on.

The thread shares the interpreter with the loop that reports, so it works in slices of a fraction of a millisecond and
rests between them, until the writer waits for it.
"""

import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ktrdr_bridge.header import Header
from ktrdr_bridge.identity import HEADER_BYTES, Identity
from ktrdr_bridge.losses import Losses
from ktrdr_bridge.open_journal import OpenJournal
from ktrdr_bridge.packing import Packer
from ktrdr_bridge.place import Place
from ktrdr_bridge.prefault import prefault
from ktrdr_bridge.reserve import Reserve
from ktrdr_bridge.rows import SegmentWalker
from ktrdr_bridge.segment_head import FLAG_NO_SPACE, ROWS_OFFSET, Segment, SegmentHead
from ktrdr_bridge.segment_walk import SegmentWalk
from ktrdr_bridge.segments import Refusal
from ktrdr_bridge.thinning import Census

SHARE_TO_FREE: Final = 0.4
_WORK_SECONDS: Final = 0.000_4
_REST_SECONDS: Final = 0.001
_COPY_BYTES: Final = 65_536
_COPY_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True)
class Source:
    """The journal that is to be thinned.

    Attributes:
        descriptor: The file.
        identity: Its identity.
        head: Header of its last segment, which is not thinned.
        end: Tells where that segment's rows end now, from its start.
    """

    descriptor: int
    identity: Identity
    head: SegmentHead
    end: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A next generation that lacks only what was written in the meantime.

    Attributes:
        descriptor: The file, locked.
        identity: Its identity.
        header: Its header, without counts, flags, states and identity.
        mapping: Its last segment: the one that is written to.
        head: That segment's header.
        copied: Up to where that segment has the rows of the old file's.
    """

    descriptor: int
    identity: Identity
    header: Header
    mapping: mmap.mmap
    head: SegmentHead
    copied: int

    def close(self) -> None:
        """Unmap and close everything."""
        self.mapping.close()
        self.header.close()
        os.close(self.descriptor)


class _Abandoned(Exception):
    """Nobody wants the next generation any more."""


class _NoRoom(Exception):
    """Thinning doesn't set enough space free."""


class Successor:
    """Prepares the next generation.

    Args:
        source: What is to be thinned.
        place: Where the files are.
        limit_bytes: Bound of both files together.
        reserve: How file space is reserved.
        ring: Called, from the thread, when it is done.

    Raises:
        OSError: The file can't be made.
    """

    def __init__(
        self, source: Source, place: Place, limit_bytes: int, reserve: Reserve, ring: Callable[[], None]
    ) -> None:
        self._source = source
        self._place = place
        self._reserve = reserve
        self._ring = ring
        offset, self._segment_bytes = source.identity.span(source.head.number)
        self._room_bytes = limit_bytes - offset - self._segment_bytes
        # Opened here, not in the thread, so that a process that forks knows what its child must close.
        self._descriptor = place.make_next()
        self._zeros = os.open("/dev/zero", os.O_RDONLY | os.O_CLOEXEC)
        self._outcome: Prepared | Refusal | None = None
        self._hurry = threading.Event()
        self._done = threading.Event()
        self._dismissed = threading.Event()
        self._to_close = -1
        self._abandoned = False
        self._rested = 0.0
        self.ready = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; without one to be had, `finish` does the work."""
        thread = threading.Thread(target=self._work, name="ktrdr-bridge-thinning", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # limits, interpreter exit
            return
        self._thread = thread

    def finish(self) -> Prepared | Refusal | None:
        """Wait for the next generation, which nothing slows down now.

        Returns:
            It, and the caller closes it; a refusal when there is no space for it; None when it would not be smaller.
        """
        self._hurry.set()
        if self._thread is None:
            self._run()
        else:
            self._done.wait()
        if not isinstance(self._outcome, Prepared):
            self._discard()
            self.dismiss()
        os.close(self._zeros)
        return self._outcome

    def settle(self) -> None:
        """Have it prepared and the thread ended, before this process forks."""
        self._hurry.set()
        self._dismissed.set()
        if self._thread is not None:
            self._thread.join()

    def dismiss(self, descriptor: int = -1) -> None:
        """Let the thread end, after it has closed the old file: that sets its space free, which takes milliseconds."""
        self._to_close = descriptor
        parked = self._thread is not None and not self._dismissed.is_set()
        self._dismissed.set()
        if not parked:
            self._close_old()

    def abandon(self) -> None:
        """Give it up."""
        self._abandoned = True
        if self._thread is not None and not sys.is_finalizing():  # at the very end threads stand still
            self._done.wait()
        if isinstance(self._outcome, Prepared):
            self._outcome.close()
            self._place.discard_next()
        else:
            self._discard()
        self.dismiss()
        os.close(self._zeros)

    def forget(self) -> None:
        """Let go of it in a forked child, where the thread doesn't exist."""
        os.close(self._descriptor)
        os.close(self._zeros)

    def _discard(self) -> None:
        os.close(self._descriptor)
        self._place.discard_next()

    def _work(self) -> None:
        self._run()
        self._dismissed.wait()
        self._close_old()

    def _close_old(self) -> None:
        if self._to_close >= 0:
            os.close(self._to_close)

    def _run(self) -> None:
        try:
            self._outcome = self._prepare()
        except (_Abandoned, _NoRoom):
            self._outcome = None
        except OSError:
            self._outcome = Refusal(FLAG_NO_SPACE)
        finally:
            self.ready = True
            self._done.set()
            self._ring()

    def _prepare(self) -> Prepared:
        source = self._source
        journal = OpenJournal(source.descriptor, source.identity)
        journal.refresh()
        complete = [segment for segment in journal.segments[: source.head.number] if segment is not None]
        if len(complete) < source.head.number:
            raise _NoRoom  # a damaged file isn't worth its place twice
        self._reserve(self._descriptor, 0, HEADER_BYTES)
        packer = self._thin(complete)
        number = packer.end(source.head.first_seq)
        identity = replace(
            self._identity,
            generation=source.identity.generation + 1,
            complete_from_seq=source.head.first_seq,
            rows_left_out=source.head.first_seq - packer.rows - packer.lost,
        )
        self._begin(number)
        offset, size = identity.span(number)
        mapping = mmap.mmap(self._descriptor, size, offset=offset)
        prefault(mapping, self._zeros)
        head = replace(source.head, number=number)
        encoded = head.encode(identity.incarnation)
        mapping[: len(encoded)] = encoded
        copied = self._copy_rows(mapping)
        return Prepared(self._descriptor, identity, Header(self._descriptor, identity), mapping, head, copied)

    @property
    def _identity(self) -> Identity:
        """The new file's identity, as far as it is known from the start: all segments have one size."""
        return replace(self._source.identity, first_bytes=self._segment_bytes, doublings=0)

    def _thin(self, complete: list[Segment]) -> Packer:
        census = Census()
        for segment in complete:
            for run, _ in self._walk(segment, SegmentWalker(segment.head)).runs(Losses()):
                census.count(run)
                self._rest()
        selection = census.choose(SHARE_TO_FREE)
        packer = Packer(self._segment_bytes, self._source.identity.incarnation, self._begin_thinned, self._write)
        for segment in complete:
            walker = SegmentWalker(segment.head)
            known = walker.completed
            for run, rows in self._walk(segment, walker).runs(Losses()):
                if known is not None:
                    packer.put(run, rows, selection.keep(run), selection.level(run), known)
                known = walker.completed or known
                self._rest()
            head = segment.head
            packer.note_lost(head.lost + (head.rows or segment.end_seq - head.first_seq) - walker.rows)
        return packer

    def _walk(self, segment: Segment, walker: SegmentWalker) -> SegmentWalk:
        offset, size = self._source.identity.span(segment.head.number)
        return SegmentWalk(self._source.descriptor, offset, size, segment.end_seq, walker)

    def _begin_thinned(self, number: int) -> None:
        """Make room for a thinned segment: there must be fewer than before, or nothing is gained."""
        if number + 1 >= self._source.head.number:
            raise _NoRoom
        self._begin(number)

    def _begin(self, number: int) -> None:
        offset, size = self._identity.span(number)
        if offset + size > self._room_bytes:
            raise _NoRoom
        self._reserve(self._descriptor, offset, size)

    def _write(self, number: int, offset: int, data: bytes) -> None:
        start = self._identity.span(number)[0] + offset
        done = 0
        while done < len(data):
            done += os.pwrite(self._descriptor, data[done:], start + done)

    def _copy_rows(self, mapping: mmap.mmap) -> int:
        """Copy the rows of the last segment as far as they are written; those of the last moment are left."""
        offset = self._source.identity.span(self._source.head.number)[0]
        copied = ROWS_OFFSET
        for _ in range(_COPY_ROUNDS):
            end = self._source.end()
            while copied < end:
                rows = os.pread(self._source.descriptor, min(end - copied, _COPY_BYTES), offset + copied)
                mapping[copied : copied + len(rows)] = rows
                copied += len(rows)
                self._rest()
        return copied

    def _rest(self) -> None:
        """Let the loop go on, unless it waits; give up when nobody wants the result any more."""
        if self._abandoned:
            raise _Abandoned
        if not self._hurry.is_set() and time.perf_counter() - self._rested > _WORK_SECONDS:
            self._hurry.wait(_REST_SECONDS)
            self._rested = time.perf_counter()
