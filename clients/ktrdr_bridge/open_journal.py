"""A journal file open for reading: what its header and its segments' headers say.

What can't change is read once: the identity, and the headers of segments that another one follows.
"""

import os
import struct

from ktrdr_bridge.identity import (
    HEADER_BYTES,
    HEADER_READ_BYTES,
    IDENTITY_BYTES,
    SEGMENT_GRAIN_BYTES,
    Identity,
    UnreadableJournal,
    decode_identity,
)
from ktrdr_bridge.journal_read import Thinning
from ktrdr_bridge.layout import BODY_OFFSET
from ktrdr_bridge.segment_head import (
    FLAG_CLOSED,
    FLAG_GOES_ON,
    FLAG_STOPPED,
    HEAD_READ_BYTES,
    ROWS_OFFSET,
    WORDS,
    WORDS_OFFSET,
    Segment,
    decode_segment,
)
from ktrdr_bridge.state import State, newest_state

_ATTEMPTS = 3
_PLACE = struct.Struct("<8sII")


class OpenJournal:
    """One journal file.

    Args:
        descriptor: The file, open for reading; `close` closes it.
        identity: Its identity.

    Attributes:
        segments: By number; None where the header is damaged.
        end_seq: Seq after the last published row.
        flags: The writer's flags.
        end_lost: The file is cut off, or its last segment's header or count is damaged.
        end_known: It was looked whether rows are hidden behind the end.
        rows_hidden: There are: its count is damaged.
        goes_on: The last segment says that another one or another file follows.
        words_offset: Where the last segment's three words are, or -1 while they can't be relied on.
        token: The words that the last change token was made of, and the token.
        place: What a change token begins with: which segment of which file its words are of.
    """

    def __init__(self, descriptor: int, identity: Identity) -> None:
        self.descriptor = descriptor
        self.identity = identity
        self.incarnation = identity.incarnation.hex()
        generation = identity.generation
        self.thinning = Thinning(generation, identity.complete_from_seq, identity.rows_left_out) if generation else None
        self.segments: list[Segment | None] = []
        self.end_seq = 0
        self.flags = 0
        self.end_lost = False
        self.end_known = self.rows_hidden = False
        self.goes_on = False
        self.words_offset = -1
        self.token = b"", b""
        self.place = b""
        self._words = b""
        self._most_seq = 0
        self._sequence = -1
        self._state = State()
        self._complete: dict[int, Segment] = {}

    @property
    def last(self) -> Segment | None:
        """The last segment that has rows."""
        segments = (segment for segment in reversed(self.segments) if segment is not None)
        return next((segment for segment in segments if segment.end_seq > segment.head.first_seq), None)

    def segments_from(self, seq: int) -> list[Segment | None]:
        """Return the segments from the one that holds a seq on."""
        first = len(self.segments)
        while first > 0:
            first -= 1
            segment = self.segments[first]
            if segment is not None and segment.head.first_seq <= seq:
                break
        return self.segments[first:]

    def change_token(self) -> bytes:
        """Return what differs whenever rows, state or flags do, or the rows are in another segment or generation."""
        words = self._words if self.words_offset >= 0 else b""
        told = words or WORDS.pack(self.end_seq, self.read_state_again().sequence, self.flags)
        self.token = words, self.place + told
        return self.token[1]

    def advance(self, words: bytes | None = None) -> bool:
        """Take in what was written to the last segment.

        Args:
            words: The last segment's words; None to read them.

        Returns:
            False when nothing was, or there is more to look at: this file may not be the journal any more.
        """
        if self.words_offset < 0:
            return False
        if words is None:
            words = os.pread(self.descriptor, WORDS.size, self.words_offset)
        return words != self._words and self._take(words) and not self.flags & FLAG_CLOSED

    def refresh(self) -> None:
        """Take in what the writer has done since: three words of the last segment tell it, or where to look."""
        if self.words_offset >= 0:
            words = os.pread(self.descriptor, WORDS.size, self.words_offset)
            if words == self._words:
                return
            if self._take(words):
                return
        # A writer may have begun its next segment between the look at how many there are and the look at the last one.
        before = -1
        while (count := self._load()) != before and self.goes_on:
            before = count

    def state(self) -> State:
        """Return the newest state."""
        if self._sequence < 0 or self._state.sequence != self._sequence:
            self._state = newest_state(os.pread(self.descriptor, HEADER_READ_BYTES, 0))
        return self._state

    def read_state_again(self) -> State:
        """Return the newest state, from the file."""
        self._state = newest_state(os.pread(self.descriptor, HEADER_READ_BYTES, 0))
        return self._state

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def _take(self, words: bytes) -> bool:
        """Take in the last segment's words; False when there is more to look at than these."""
        segment = self.segments[-1]
        if segment is None or len(words) != WORDS.size:
            return False
        published, sequence, flags = WORDS.unpack(words)
        self.goes_on = bool(flags & FLAG_GOES_ON)
        if self.goes_on:
            return False
        self._words, self._sequence, self.flags = words, sequence, flags
        end_seq = segment.head.base + published
        if not segment.head.first_seq <= end_seq <= self._most_seq:  # the count has no CRC
            end_seq = min(max(end_seq, segment.head.first_seq), self._most_seq)
        if end_seq < self.end_seq:
            self.end_known = False
        elif end_seq > self.end_seq:
            self.rows_hidden = False
        self.end_seq = segment.end_seq = end_seq
        return True

    def _load(self) -> int:
        """Read the header, and the segments' headers as far as they aren't known to be complete; return their count."""
        identity = self.identity
        data = os.pread(self.descriptor, HEADER_READ_BYTES, 0)
        counters = data[identity.flags_offset : identity.flags_offset + 16]
        self.flags = int.from_bytes(counters[:8], "little")
        count = int.from_bytes(counters[8:], "little")
        size = os.fstat(self.descriptor).st_size
        cut_off = count > 0 and size <= identity.span(count - 1)[0]
        count = min(count, size // SEGMENT_GRAIN_BYTES)
        while count > 0 and size <= identity.span(count - 1)[0]:
            count -= 1
        found = [self._segment(number, count) for number in range(count)]
        final = found[-1] if found else None
        # A thinned segment is never the last one.
        whole = final is not None and not final.head.end_seq
        # Without any segment it isn't made, unless there was no space for the first.
        self.end_lost = cut_off or not (whole or (not found and self.flags & FLAG_STOPPED))
        self.place = _PLACE.pack(identity.incarnation, identity.generation, count)
        self.segments = _counted(found, identity)
        last = next((segment for segment in reversed(self.segments) if segment is not None), None)
        self.end_seq = 0 if last is None else last.end_seq
        self._most_seq = 0 if last is None else _most_seq(last, identity)
        self.token = b"", b""
        self.end_known = self.rows_hidden = self.goes_on = False
        self._sequence = -1
        self.words_offset = -1
        self._words = b""
        if whole and not cut_off and identity.version > 1:
            offset = identity.span(count - 1)[0] + WORDS_OFFSET
            if self._take(os.pread(self.descriptor, WORDS.size, offset)):
                self.words_offset = offset
        return count

    def _segment(self, number: int, count: int) -> Segment | None:
        known = self._complete.get(number)
        if known is not None:
            return known
        data = os.pread(self.descriptor, HEAD_READ_BYTES, self.identity.span(number)[0])
        segment = decode_segment(data, number, self.identity.incarnation, self.identity.version)
        if segment is not None and number < count - 1:
            self._complete[number] = segment
        return segment


def open_journal(path: str) -> OpenJournal | None:
    """Open a journal; None when it is only being made.

    Raises:
        UnreadableJournal: It isn't a journal, or its header is damaged.
        OSError: It can't be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for attempt in range(_ATTEMPTS):  # a journal that is made right now may show half an identity
            data = os.pread(descriptor, HEADER_READ_BYTES, 0)
            if _is_being_made(descriptor, data):
                break
            try:
                journal = OpenJournal(descriptor, decode_identity(data))
            except UnreadableJournal:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            journal.refresh()
            return journal
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_being_made(descriptor: int, header: bytes) -> bool:
    """Whether a file has no identity yet and no row: its writer writes the identity last, behind the first segment."""
    if header[:IDENTITY_BYTES].strip(b"\0"):
        return False
    words = os.pread(descriptor, WORDS.size, HEADER_BYTES + WORDS_OFFSET)
    return len(words) < WORDS.size or WORDS.unpack(words)[0] == 0


def _most_seq(segment: Segment, identity: Identity) -> int:
    """Return the end of a segment that is full of the shortest rows."""
    head = segment.head
    return head.end_seq or head.first_seq + (identity.span(head.number)[1] - ROWS_OFFSET) // BODY_OFFSET


def _counted(segments: list[Segment | None], identity: Identity) -> list[Segment | None]:
    """Return the segments with counts that can be: the counter itself has no CRC.

    Where the next segment's header is whole, its first seq tells how many rows the one before it has.
    """
    counted: list[Segment | None] = []
    following: Segment | None = None
    for segment in reversed(segments):
        if segment is None:
            counted.append(None)
            continue
        end_seq = min(max(segment.end_seq, segment.head.first_seq), _most_seq(segment, identity))
        if following is not None and not segment.head.end_seq:
            next_seq = max(following.head.first_seq, segment.head.first_seq)
            adjoining = following.head.number == segment.head.number + 1
            end_seq = next_seq if adjoining else min(end_seq, next_seq)
        counted.append(Segment(segment.head, end_seq))
        following = segment
    return counted[::-1]
