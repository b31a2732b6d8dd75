"""The constant part of a journal's header, versions 1 and 2; docs/journal.md is the reference."""

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"KTRDRJNL"
LAYOUT_VERSION = 2

# 64 KiB, so that the first segment starts on a page boundary whatever the page size of the machine (4, 16 or 64 KiB).
HEADER_BYTES = 65_536
SEGMENT_GRAIN_BYTES = 65_536
HEADER_READ_BYTES = 3_072
MOST_DOUBLINGS = 4

# magic, layout version, header bytes, incarnation, creation time (unix ns), bytes of the first segment; a CRC follows
_VERSION_1 = struct.Struct("<8sII16sqI")
# the same; then doublings, generation, four bytes, seq from which it is complete, rows left out; a CRC follows
_VERSION_2 = struct.Struct("<8sII16sqIII4xQQ")
_CRC = struct.Struct("<I")
_FLAGS_OFFSETS = {1: 64, 2: 128}
IDENTITY_BYTES = _VERSION_2.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Identity:
    """The constant part of a journal's header.

    Attributes:
        incarnation: Id of the journal's life; all its generations have the same.
        created_ns: When it was created, unix time.
        first_bytes: Size of the first segment.
        doublings: How many of the following segments are twice as large as the one before; the others are as large as
            the last of these.
        generation: How often its series were thinned.
        complete_from_seq: Rows from this seq on were never thinned.
        rows_left_out: How many of the rows before it were left out by thinning.
        version: Of the layout.
    """

    incarnation: bytes
    created_ns: int
    first_bytes: int
    doublings: int
    generation: int = 0
    complete_from_seq: int = 0
    rows_left_out: int = 0
    version: int = LAYOUT_VERSION

    @property
    def flags_offset(self) -> int:
        """Where the flags are; the segment count follows them."""
        return _FLAGS_OFFSETS[self.version]

    def span(self, number: int) -> tuple[int, int]:
        """Return (offset in the file, size) of a segment."""
        doubled = min(number, self.doublings)
        size = self.first_bytes << doubled
        return HEADER_BYTES + self.first_bytes * ((1 << doubled) - 1) + (number - doubled) * size, size

    def encode(self) -> bytes:
        """Return the bytes that start the file."""
        head = _VERSION_2.pack(
            MAGIC,
            LAYOUT_VERSION,
            HEADER_BYTES,
            self.incarnation,
            self.created_ns,
            self.first_bytes,
            self.doublings,
            self.generation,
            self.complete_from_seq,
            self.rows_left_out,
        )
        return head + _CRC.pack(zlib.crc32(head))


class UnreadableJournal(Exception):
    """The header can't be used; the text says why."""


def decode_identity(data: bytes) -> Identity:
    """Return the identity of a journal from its first bytes.

    Raises:
        UnreadableJournal: It isn't a journal, is of an unknown layout version, or its header is damaged.
    """
    if len(data) < IDENTITY_BYTES:
        raise UnreadableJournal("the file is shorter than a journal's header")
    version = int.from_bytes(data[8:12], "little")
    if data[:8] != MAGIC:
        raise UnreadableJournal("the file is not a journal")
    if version not in _FLAGS_OFFSETS:
        raise UnreadableJournal(
            f"the journal has layout version {version}, this reader knows versions 1 to {LAYOUT_VERSION}: "
            "use the ktrdr_bridge that wrote it"
        )
    form = _VERSION_1 if version == 1 else _VERSION_2
    _, _, header_bytes, incarnation, created_ns, first_bytes, *rest = form.unpack_from(data)
    doublings, generation, complete_from_seq, rows_left_out = rest or (MOST_DOUBLINGS, 0, 0, 0)
    (crc,) = _CRC.unpack_from(data, form.size)
    if (
        crc != zlib.crc32(data[: form.size])
        or header_bytes != HEADER_BYTES
        or first_bytes < SEGMENT_GRAIN_BYTES
        or doublings > MOST_DOUBLINGS
    ):
        raise UnreadableJournal("the journal's header is damaged")
    return Identity(
        incarnation, created_ns, first_bytes, doublings, generation, complete_from_seq, rows_left_out, version
    )
