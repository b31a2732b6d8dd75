"""The bytes of a journal, version 1; docs/journal.md is the reference.

All numbers are little-endian. Everything here is shared by writer and reader, so that they can't disagree.
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

MAGIC = b"KTRDRJNL"
LAYOUT_VERSION = 1

# 64 KiB, so that the first segment starts on a page boundary whatever the page size of the machine (4, 16 or 64 KiB).
HEADER_BYTES = 65_536
SEGMENT_GRAIN_BYTES = 65_536
HEADER_READ_BYTES = 3_072
_DOUBLINGS = 4

# magic, layout version, header bytes, incarnation, creation time (unix ns), bytes of the first segment; then the CRC-32
_IDENTITY = struct.Struct("<8sII16sqI")
_IDENTITY_CRC = struct.Struct("<I")
FLAGS_OFFSET = 64
SEGMENT_COUNT_OFFSET = 72
SLOT_OFFSETS = (1_024, 2_048)
SLOT_BYTES = 1_024

FLAG_BOUND_REACHED = 1
FLAG_NO_SPACE = 2
FLAG_STOPPED = FLAG_BOUND_REACHED | FLAG_NO_SPACE
FLAG_CLOSED = 4

SEGMENT_MAGIC = b"KSEG"
# magic, CRC-32 of the rest, number, first seq, first half of the incarnation, completed, phase
_SEGMENT = struct.Struct("<4sIQQ8sqQ")
PUBLISHED_OFFSET = 64
ROWS_OFFSET = 128

# Row: CRC-32 of the body, context, body. The context is the same for a run of rows and carries a CRC-32 of its own.
# context: CRC-32 of the rest, length of the row in 8-byte words, kind, flags, schema, phase, detail
_CONTEXT = struct.Struct("<IHBBHHq")
CONTEXT_BYTES = _CONTEXT.size
ROW_HEAD = struct.Struct(f"<I{CONTEXT_BYTES}s")
BODY_OFFSET = ROW_HEAD.size
ROW_WIDE = 1
MAX_ROW_BYTES = 8 * 0xFFFF

# The native forms have the same bytes on little-endian machines and are packed faster (measured: 5 % of an event).
_FAST = "@" if sys.byteorder == "little" else "<"


class Kind(IntEnum):
    """What a row reports; `SCHEMA` rows define metric names and have no seq."""

    SCHEMA = 0
    BATCH = 1
    EPOCH = 2
    ROWS = 3


@dataclass(frozen=True, slots=True)
class Identity:
    """The constant part of a journal's header; `first_bytes` is the size of the first segment."""

    incarnation: bytes
    created_ns: int
    first_bytes: int
    version: int = LAYOUT_VERSION

    def encode(self) -> bytes:
        """Return the bytes that start the file."""
        head = _IDENTITY.pack(MAGIC, self.version, HEADER_BYTES, self.incarnation, self.created_ns, self.first_bytes)
        return head + _IDENTITY_CRC.pack(zlib.crc32(head))


class UnreadableJournal(Exception):
    """The header can't be used; the text says why."""


def decode_identity(data: bytes) -> Identity:
    """Return the identity of a journal from its first bytes.

    Raises:
        UnreadableJournal: It isn't a journal, is of another layout version, or its header is damaged.
    """
    if len(data) < _IDENTITY.size + _IDENTITY_CRC.size:
        raise UnreadableJournal("the file is shorter than a journal's header")
    magic, version, header_bytes, incarnation, created_ns, first_bytes = _IDENTITY.unpack_from(data)
    if magic != MAGIC:
        raise UnreadableJournal("the file is not a journal")
    if version != LAYOUT_VERSION:
        raise UnreadableJournal(
            f"the journal has layout version {version}, this reader knows version {LAYOUT_VERSION}: "
            "use the ktrdr_bridge that wrote it"
        )
    (crc,) = _IDENTITY_CRC.unpack_from(data, _IDENTITY.size)
    if crc != zlib.crc32(data[: _IDENTITY.size]) or header_bytes != HEADER_BYTES or first_bytes < SEGMENT_GRAIN_BYTES:
        raise UnreadableJournal("the journal's header is damaged")
    return Identity(incarnation, created_ns, first_bytes, version)


def segment_span(number: int, first_bytes: int) -> tuple[int, int]:
    """Return (offset in the file, size) of a segment.

    Each of the first five is twice as large as the one before, so that short sessions stay small and long ones seldom
    change the segment; all others are as large as the fifth.
    """
    doubled = min(number, _DOUBLINGS)
    size = first_bytes << doubled
    return HEADER_BYTES + first_bytes * ((1 << doubled) - 1) + (number - doubled) * size, size


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The constant part of a segment's header.

    Attributes:
        number: Counts the segments of a journal from 0.
        first_seq: Seq of its first row.
        completed: Units of the phase that were done when it was started: batches count from there.
        phase: The phase then.
    """

    number: int
    first_seq: int
    completed: int
    phase: int

    def encode(self, incarnation: bytes) -> bytes:
        """Return the bytes that start the segment."""
        values = self.number, self.first_seq, incarnation[:8], self.completed, self.phase
        rest = _SEGMENT.pack(SEGMENT_MAGIC, 0, *values)[8:]
        return SEGMENT_MAGIC + struct.pack("<I", zlib.crc32(rest)) + rest


def decode_segment(data: bytes, number: int, incarnation: bytes) -> tuple[SegmentHead, int] | None:
    """Return (constant part, published rows) of a segment's header, or None when it is damaged."""
    if len(data) < PUBLISHED_OFFSET + 8:
        return None
    magic, crc, stored_number, first_seq, owner, completed, phase = _SEGMENT.unpack_from(data)
    if magic != SEGMENT_MAGIC or crc != zlib.crc32(data[8 : _SEGMENT.size]):
        return None
    if stored_number != number or owner != incarnation[:8]:
        return None
    published = int.from_bytes(data[PUBLISHED_OFFSET : PUBLISHED_OFFSET + 8], "little")
    return SegmentHead(number, first_seq, completed, phase), published


@dataclass(frozen=True, slots=True)
class Context:
    """What a run of rows has in common."""

    row_bytes: int
    kind: Kind
    wide: bool
    schema: int
    phase: int
    detail: int

    def encode(self) -> bytes:
        """Return the context's bytes, its CRC first."""
        flags = ROW_WIDE if self.wide else 0
        words = self.row_bytes // 8
        rest = _CONTEXT.pack(0, words, self.kind, flags, self.schema, self.phase & 0xFFFF, self.detail)[4:]
        return struct.pack("<I", zlib.crc32(rest)) + rest


@lru_cache(maxsize=256)
def decode_context(data: bytes) -> Context | None:
    """Return a row's context, or None when it is damaged (or all zeros: no row yet)."""
    if len(data) != CONTEXT_BYTES:
        return None
    crc, words, kind, flags, schema, phase, detail = _CONTEXT.unpack(data)
    if crc != zlib.crc32(data[4:]) or kind > Kind.ROWS or words * 8 <= BODY_OFFSET:
        return None
    return Context(words * 8, Kind(kind), bool(flags & ROW_WIDE), schema, phase, detail)


@lru_cache(maxsize=1_024)
def body_struct(values: int, *, wide: bool) -> struct.Struct:
    """Return the packer of a row's body: unix time (s), row index in the segment, step, values.

    The narrow form has a step of 0 to 2**32-1; the wide one any signed 64-bit step.
    """
    return struct.Struct(f"{_FAST}d{'I4xq' if wide else 'II'}{values}d")


@lru_cache(maxsize=1_024)
def row_struct(body_bytes: int) -> struct.Struct:
    """Return the packer of a whole row: CRC, context, body."""
    return struct.Struct(f"{_FAST}I{CONTEXT_BYTES}s{body_bytes}s")


def row_bytes(body_bytes: int) -> int:
    """Return the length of a row with such a body: rows start at multiples of 8."""
    return (BODY_OFFSET + body_bytes + 7) // 8 * 8
