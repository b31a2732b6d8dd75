"""The header of a segment, versions 1 and 2; docs/journal.md is the reference."""

import struct
import zlib
from dataclasses import dataclass

SEGMENT_MAGIC = b"KSEG"
# magic, CRC-32 of the rest, number, first seq, first half of the incarnation, completed, phase
_VERSION_1 = struct.Struct("<4sIQQ8sqQ")
# the same; then the seq that `completed` was known at, end seq, rows, rows lost
_VERSION_2 = struct.Struct("<4sIQQ8sqQQQII")
_PUBLISHED_OFFSET_1 = 64

# Three aligned words that change: how far rows are published, the newest state's sequence, flags.
WORDS = struct.Struct("<QQQ")
WORDS_OFFSET = 80
HEAD_READ_BYTES = WORDS_OFFSET + WORDS.size
ROWS_OFFSET = 128

FLAG_BOUND_REACHED = 1
FLAG_NO_SPACE = 2
FLAG_STOPPED = FLAG_BOUND_REACHED | FLAG_NO_SPACE
FLAG_CLOSED = 4
FLAG_GOES_ON = 8

LOW = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The constant part of a segment's header.

    Attributes:
        number: Counts the segments of a file from 0.
        first_seq: Seq of its first row.
        completed: Units of the phase that were done at `completed_seq`: batches count from there.
        phase: The phase then.
        completed_seq: Where `completed` and `phase` are from: they take in the rows before this seq.
        end_seq: Of a thinned segment: the seq at which the next segment starts. 0 in all others.
        rows: Of a thinned segment: how many rows it has.
        lost: Of a thinned segment: how many of its rows were damaged before they were thinned.
        base: What a row's number is added to, to get its seq.
    """

    number: int
    first_seq: int
    completed: int
    phase: int
    completed_seq: int
    end_seq: int = 0
    rows: int = 0
    lost: int = 0
    base: int = 0

    def encode(self, incarnation: bytes) -> bytes:
        """Return the bytes that start the segment."""
        rest = _VERSION_2.pack(
            SEGMENT_MAGIC,
            0,
            self.number,
            self.first_seq,
            incarnation[:8],
            self.completed,
            self.phase,
            self.completed_seq,
            self.end_seq,
            self.rows,
            self.lost,
        )[8:]
        return SEGMENT_MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest


def base_of(first_seq: int) -> int:
    """Return what the row numbers of a segment count from: they are the low 32 bits of the seqs."""
    return first_seq & ~LOW


@dataclass(slots=True)
class Segment:
    """A segment as its header tells it: rows from `head.first_seq` on, published up to `end_seq`."""

    head: SegmentHead
    end_seq: int


def decode_segment(data: bytes, number: int, incarnation: bytes, version: int) -> Segment | None:
    """Return what a segment's header says, or None when it is damaged."""
    if len(data) < HEAD_READ_BYTES:
        return None
    form = _VERSION_1 if version == 1 else _VERSION_2
    magic, crc, stored_number, first_seq, owner, completed, phase, *rest = form.unpack_from(data)
    if magic != SEGMENT_MAGIC or crc != zlib.crc32(data[8 : form.size]):
        return None
    if stored_number != number or owner != incarnation[:8]:
        return None
    if version == 1:
        published = int.from_bytes(data[_PUBLISHED_OFFSET_1 : _PUBLISHED_OFFSET_1 + 8], "little")
        return Segment(
            SegmentHead(number, first_seq, completed, phase, first_seq, base=first_seq), first_seq + published
        )
    completed_seq, end_seq, rows, lost = rest
    base = base_of(first_seq)
    head = SegmentHead(number, first_seq, completed, phase, completed_seq, end_seq, rows, lost, base)
    published, _, _ = WORDS.unpack_from(data, WORDS_OFFSET)
    return Segment(head, end_seq or max(base + published, first_seq))
