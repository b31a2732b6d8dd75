"""The state slots: phase, totals and texts, beside the rows."""

import struct
import zlib
from dataclasses import dataclass

SLOT_OFFSETS = (1_024, 2_048)
SLOT_BYTES = 1_024

# sequence, phase ordinal, mark, completed, total (-1: none), phase start, completed at the start, updated
_NUMBERS = struct.Struct("<QQQdqqdq")
_HEAD = struct.Struct("<II")
_TEXT_LENGTH = struct.Struct("<H")
_TEXT_LIMITS = {"phase": 96, "unit": 32, "step": 384, "wait_reason": 384}


@dataclass(frozen=True, slots=True)
class State:
    """One published snapshot of what isn't in the rows.

    Attributes:
        sequence: Counts the snapshots of a journal from 1; the newest valid one counts.
        ordinal: Number of the phase; rows carry its low 16 bits.
        mark: Seq of the first row that is newer than `completed` and `step`.
        completed: Units done when this was written.
        total: Units of the phase, or None.
        start_ns: Unix time at which the phase started, or went on from `start_completed`.
        start_completed: Units that were done then.
        updated_ns: Unix time of this snapshot.
    """

    sequence: int = 0
    ordinal: int = 0
    mark: int = 0
    completed: float = 0.0
    total: int | None = None
    start_ns: int = 0
    start_completed: float = 0.0
    updated_ns: int = 0
    phase: str = ""
    unit: str = ""
    step: str = ""
    wait_reason: str = ""

    def encode(self) -> bytes:
        """Return the slot's bytes; texts that don't fit are cut at a character."""
        total = -1 if self.total is None else self.total
        parts = [
            _NUMBERS.pack(
                self.sequence,
                self.ordinal,
                self.mark,
                self.completed,
                total,
                self.start_ns,
                self.start_completed,
                self.updated_ns,
            )
        ]
        for name, limit in _TEXT_LIMITS.items():
            text = _cut(getattr(self, name), limit)
            parts += (_TEXT_LENGTH.pack(len(text)), text)
        rest = b"".join(parts)
        return _HEAD.pack(zlib.crc32(rest), len(rest)) + rest


def _cut(text: str, limit_bytes: int) -> bytes:
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return data
    return data[: limit_bytes - 3].decode("utf-8", "ignore").encode() + "…".encode()


def _decode(slot: bytes) -> State | None:
    if len(slot) < _HEAD.size:
        return None
    crc, length = _HEAD.unpack_from(slot)
    rest = slot[_HEAD.size : _HEAD.size + length]
    if not _NUMBERS.size <= length == len(rest) or crc != zlib.crc32(rest):
        return None
    sequence, ordinal, mark, completed, total, start_ns, start_completed, updated_ns = _NUMBERS.unpack_from(rest)
    position, texts = _NUMBERS.size, []
    for _ in _TEXT_LIMITS:
        (size,) = _TEXT_LENGTH.unpack_from(rest, position)
        position += _TEXT_LENGTH.size
        texts.append(rest[position : position + size].decode())
        position += size
    phase, unit, step, wait_reason = texts
    return State(
        sequence,
        ordinal,
        mark,
        completed,
        None if total < 0 else total,
        start_ns,
        start_completed,
        updated_ns,
        phase,
        unit,
        step,
        wait_reason,
    )


def newest_state(header: bytes) -> State:
    """Return the newest valid snapshot in a journal's header; an empty one when there is none yet.

    The writer alternates between the two slots, so one of them is whole at any moment, also when it is killed.
    """
    slots = (_decode(header[offset : offset + SLOT_BYTES]) for offset in SLOT_OFFSETS)
    return max((state for state in slots if state is not None), key=lambda state: state.sequence, default=State())
