"""The reader's side of a journal.

It only reads, by `pread`: a reader can't slow or change what it reads, nor be killed by it.
"""

import os
from pathlib import Path
from time import monotonic
from typing import Final

from ktrdr_bridge.identity import UnreadableJournal
from ktrdr_bridge.journal_read import ChangingWords, JournalRead, Position
from ktrdr_bridge.losses import Losses
from ktrdr_bridge.open_journal import OpenJournal, open_journal
from ktrdr_bridge.points import NewRow, PointColumns
from ktrdr_bridge.progress import ProgressSnapshot, derive_progress
from ktrdr_bridge.rows import SegmentWalker
from ktrdr_bridge.segment_head import FLAG_CLOSED, FLAG_GOES_ON, FLAG_STOPPED, WORDS, WORDS_OFFSET, Segment, SegmentHead
from ktrdr_bridge.segment_walk import SegmentWalk
from ktrdr_bridge.state import State

_LOOK_AT_PATH_SECONDS: Final = 0.1
_WORDS_BYTES: Final = WORDS.size
_ATTEMPTS: Final = 3

_NOWHERE: Final = Position("", 0)


class JournalReader:
    """Reads one journal, any number of times, from any position; several readers don't know of each other.

    A missing file is a journal that doesn't exist yet. Damage is reported, never raised, and no value is returned whose
    CRC doesn't fit. What it knows of the file is kept between reads, so the next row costs microseconds.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        self._journal: OpenJournal | None = None
        self._file_key = (-1, -1)
        self._look_at_path = 0.0
        self._walker: SegmentWalker | None = None
        self._tail: SegmentWalker | None = None
        self._told_words: ChangingWords | None = None

    def read(
        self, after: Position | None = None, *, max_points: int = 10_000, as_of: bytes | None = None
    ) -> JournalRead:
        """Return the points after a position, and the progress now.

        Args:
            after: `next` of an earlier read; None for everything.
            max_points: About how many values to return; a row is never split, and one row at least is read.
            as_of: A token that `change_token` has just returned: what it tells of is enough, and need not be looked at
                again.
        """
        try:
            journal = self._journal
            words = None
            if as_of is not None and journal is not None and as_of[:-_WORDS_BYTES] == journal.place:
                words = as_of[-_WORDS_BYTES:]
            if journal is None or not journal.advance(words):
                journal = self._current()
            if journal is None:
                return JournalRead("", _NOWHERE, reset=after is not None and after != _NOWHERE)
            return self._read_row(journal, after) or self._read(journal, after, max_points)
        except UnreadableJournal as problem:
            return JournalRead("", _NOWHERE, damage=str(problem))
        except OSError as error:
            return JournalRead("", _NOWHERE, damage=f"the journal can't be read: {error.strerror}")

    def end(self) -> Position:
        """Return the position after the last row, from the headers alone."""
        try:
            journal = self._current()
        except (OSError, UnreadableJournal):
            journal = None
        return _NOWHERE if journal is None else Position(journal.incarnation, journal.end_seq)

    @property
    def words(self) -> ChangingWords | None:
        """Where the few bytes are that change with the journal, for who looks at many at once; None while unknown."""
        journal, told = self._journal, self._told_words
        if journal is None or journal.words_offset < 0:
            return None
        if told is None or told.file is not journal or told.offset != journal.words_offset:
            told = ChangingWords(journal, journal.descriptor, journal.words_offset, _WORDS_BYTES)
            self._told_words = told
        return told

    def change_token(self, found: bytes | None = None) -> bytes:
        """Return a token that differs from the last one whenever there are new rows, progress, or flags.

        Empty without a journal. It costs one `pread` of a few bytes while nothing changes; that another file took the
        journal's place is noticed within a tenth of a second.

        Args:
            found: What the caller has just read at `words`; None to read it here, and to look at the path.
        """
        journal = self._journal
        if journal is not None and (found is not None or monotonic() < self._look_at_path):
            words, token = journal.token
            if words:
                if found is None:
                    found = os.pread(journal.descriptor, _WORDS_BYTES, journal.words_offset)
                if found == words:
                    return token
                if len(found) == _WORDS_BYTES:
                    published, _, flags = WORDS.unpack(found)
                    if not flags & FLAG_GOES_ON and published >= WORDS.unpack(words)[0]:
                        # Not taken in here: the read that follows does it.
                        return token[:-_WORDS_BYTES] + found
        return self._look()

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._journal is not None:
            self._journal.close()
        self._journal = self._told_words = None
        self._walker = self._tail = None

    def _look(self) -> bytes:
        try:
            journal = self._current()
            self._look_at_path = monotonic() + _LOOK_AT_PATH_SECONDS
            return b"" if journal is None else journal.change_token()
        except (OSError, UnreadableJournal):
            return b"unreadable"

    def _current(self) -> OpenJournal | None:
        """Return the file that the path names now, with what was written to it since; it may be another than before."""
        try:
            status = os.stat(self._path)  # noqa: PTH116  # Path.stat costs more than the rest of a read
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            return None
        key = status.st_dev, status.st_ino
        if self._journal is not None and key == self._file_key:
            self._journal.refresh()
        else:
            self.close()
            self._journal = open_journal(self._path)
            self._file_key = key
        return self._journal

    def _is_at_path(self) -> bool:
        try:
            status = os.stat(self._path)  # noqa: PTH116  # as above
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._file_key

    def _read_row(self, journal: OpenJournal, after: Position | None) -> JournalRead | None:
        """Read the one row that is new, if it is and if it is like the one before: what a follower mostly finds."""
        walker = self._walker
        segment = journal.segments[-1] if journal.words_offset >= 0 else None
        if (
            after is None
            or walker is None
            or walker.last is None
            or segment is None
            or walker.head is not segment.head
            or not after.seq == walker.seq == journal.end_seq - 1
            or after.incarnation != journal.incarnation
            or journal.end_lost
            or journal.rows_hidden
        ):
            return None
        offset = journal.words_offset - WORDS_OFFSET + walker.position
        table = walker.step_once(os.pread(journal.descriptor, walker.last.context.row_bytes, offset))
        if table is None:
            return None
        last, names = walker.last, walker.schemas[walker.last.context.schema]
        return JournalRead(
            journal.incarnation,
            Position(journal.incarnation, walker.seq),
            False,
            False,
            [],
            derive_progress(self._state_for(journal, walker), last, walker.completed),
            not journal.flags & FLAG_STOPPED,
            "",
            journal.thinning,
            NewRow(names, last.seq, last.step, last.time_ns, table[len(table) - len(names) :]),
        )

    def _read(self, journal: OpenJournal, after: Position | None, max_points: int) -> JournalRead:
        start, reset, end_seq = 0, False, journal.end_seq
        if after is not None and after.incarnation:
            reset = after.incarnation != journal.incarnation or after.seq > end_seq
            start = 0 if reset else after.seq
        losses, columns, seq = Losses(), PointColumns(), start
        for segment in journal.segments_from(start) if start < end_seq else ():
            if segment is None or segment.end_seq <= seq:
                continue
            head = segment.head
            if head.first_seq > seq:
                losses.add(seq, head.first_seq - 1, some=seq < journal.identity.complete_from_seq)
                seq = head.first_seq
            if head.lost and head.first_seq == seq:
                losses.add_earlier(head.lost)
            self._walker = self._walker_for(head, seq)
            self._walk(journal, segment, self._walker).collect(seq, columns, max_points, losses)
            seq = max(seq, self._walker.seq)
            if columns.points >= max_points:
                break
        return JournalRead(
            incarnation=journal.incarnation,
            next=Position(journal.incarnation, seq),
            more=seq < end_seq,
            reset=reset,
            columns=columns.series(),
            progress=self._progress(journal),
            recording=not journal.flags & FLAG_STOPPED,
            damage=losses.sentence(end_lost=self._end_lost(journal)),
            thinning=journal.thinning,
        )

    def _end_lost(self, journal: OpenJournal) -> bool:
        """Whether rows at the end are hidden: the counts have no CRC, but more is there than a wrong one tells."""
        if journal.goes_on and self._is_at_path():
            return True
        if not journal.end_known and journal.words_offset >= 0:
            journal.rows_hidden = self._has_hidden_rows(journal)
            journal.end_known = True
        return journal.end_lost or journal.rows_hidden

    def _has_hidden_rows(self, journal: OpenJournal) -> bool:
        # A killed writer may not have come to publish its last row.
        may_be_whole = 0 if journal.flags & FLAG_CLOSED else 1
        for _ in range(_ATTEMPTS):
            segment, tail, end_seq = journal.segments[-1], self._tail_walker(journal), journal.end_seq
            if segment is None:
                break
            walker = tail if tail is not None and tail.head == segment.head else SegmentWalker(segment.head)
            if self._walk(journal, segment, walker).rows_beyond() <= may_be_whole:
                break
            journal.refresh()
            if journal.end_seq != end_seq:  # a writer was just writing them
                break
        else:
            return True
        return False

    def _progress(self, journal: OpenJournal) -> ProgressSnapshot:
        tail = self._tail_walker(journal)
        if tail is None:
            return derive_progress(journal.state(), None, None)
        return derive_progress(self._state_for(journal, tail), tail.last, tail.completed)

    @staticmethod
    def _state_for(journal: OpenJournal, tail: SegmentWalker) -> State:
        """Return the newest state, read after the rows: one older than the last row would belong to another phase."""
        state = journal.state()
        if tail.last is not None and tail.last.context.phase != state.ordinal & 0xFFFF:
            return journal.read_state_again()
        return state

    def _walker_for(self, head: SegmentHead, seq: int) -> SegmentWalker:
        walker = self._walker
        return walker if walker is not None and walker.head == head and walker.seq <= seq else SegmentWalker(head)

    def _tail_walker(self, journal: OpenJournal) -> SegmentWalker | None:
        """Return a walker behind the journal's last row."""
        segment = journal.last
        if segment is None:
            return None
        walker = self._walker
        if walker is not None and walker.head == segment.head and walker.seq >= segment.end_seq:
            return walker
        if self._tail is None or self._tail.head != segment.head:
            self._tail = SegmentWalker(segment.head)
        if self._tail.seq < segment.end_seq:
            self._walk(journal, segment, self._tail).to_end()
        return self._tail

    def _walk(self, journal: OpenJournal, segment: Segment, walker: SegmentWalker) -> SegmentWalk:
        offset, size = journal.identity.span(segment.head.number)
        return SegmentWalk(journal.descriptor, offset, size, segment.end_seq, walker)
