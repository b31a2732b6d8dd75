"""The bytes of a row; docs/journal.md is the reference.

All numbers are little-endian. What is here, in identity.py and in segment_head.py is shared by writer and reader, so
that they can't disagree. Versions 1 and 2 have the same rows.
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

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


def level_of(kind: Kind, levels: int) -> int:
    """Return how far a kind of rows is thinned, from the detail of the schema row: a byte for each kind."""
    return levels >> 8 * (kind - 1) & 0xFF


def with_level(kind: Kind, level: int, levels: int) -> int:
    """Return the detail of a schema row with another level of one kind."""
    shift = 8 * (kind - 1)
    return levels & ~(0xFF << shift) | level << shift


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
    """Return the packer of a row's body: unix time (s), row number, step, values.

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
