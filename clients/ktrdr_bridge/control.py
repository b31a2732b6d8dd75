"""Stop requests: a small fixed-size file that the host writes and the writer looks at in memory.

The file is never replaced, so a worker that has mapped it sees a request without a system call.
Bytes (little-endian): 0 magic, 8 layout version (u32), 16 number of the newest request (u64, 0: none, stored last);
request n lies at 1024 + 1536 * (n % 2): CRC-32 (u32) and length (u32) of the JSON that follows.
"""

import json
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ktrdr_bridge.reserve import Reserve, reserve_space

CONTROL_BYTES = 4_096
_MAGIC = b"KTRDRCTL" + struct.pack("<II", 1, 0)
_NUMBER_OFFSET = 16
_SLOT_OFFSETS = (1_024, 2_560)
_SLOT_BYTES = 1_536
_REASON_CHARACTERS = 200
_HEAD = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class StopRequest:
    """What a session was asked to do.

    Attributes:
        stop: `"cancel"`, or `"checkpoint"`: keep the work for a later resume, then stop.
        reason: Why, in the words of whoever asked.
        requested_at: When the newest request was written (UTC), or None where it can't be told.
        now: The work is not waited for: it is interrupted at once.
        cause: What made the host ask, in its own words; empty where somebody asked it to.
    """

    stop: str
    reason: str
    requested_at: datetime | None
    now: bool = False
    cause: str = ""


def request_stop(path: Path, *, reason: str, stop: str = "cancel", now: bool = False, cause: str = "") -> None:
    """Ask the session with this control file to stop; durable when it returns.

    Asking again changes nothing, except that a cancellation replaces a request to checkpoint, and that `now` is added
    to a request without it, whose reason and cause stay. One process asks (the host that owns the session).

    Raises:
        ValueError: `stop` is neither `"cancel"` nor `"checkpoint"`.
        OSError: The file can't be written.
    """
    if stop not in {"cancel", "checkpoint"}:
        message = f"stop must be 'cancel' or 'checkpoint', not {stop!r}"
        raise ValueError(message)
    earlier = read_control(path)
    if earlier is not None and earlier.stop in {stop, "cancel"}:
        if earlier.now or not now:
            return
        stop, reason, cause = earlier.stop, earlier.reason, earlier.cause
    descriptor = open_control(path)
    try:
        number = int.from_bytes(os.pread(descriptor, 8, _NUMBER_OFFSET), "little") + 1
        wish = {
            "stop": stop,
            "reason": reason[:_REASON_CHARACTERS],
            "requested_at": datetime.now(UTC).isoformat(),
            "now": now,
            "cause": cause,
        }
        text = json.dumps(wish).encode()
        os.pwrite(descriptor, _HEAD.pack(zlib.crc32(text), len(text)) + text, _SLOT_OFFSETS[number % 2])
        os.fsync(descriptor)
        os.pwrite(descriptor, number.to_bytes(8, "little"), _NUMBER_OFFSET)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_control(path: Path) -> StopRequest | None:
    """Return the newest stop request, or None: no file, no request."""
    try:
        data = path.read_bytes()[:CONTROL_BYTES]
    except OSError:
        return None
    if len(data) < CONTROL_BYTES or not data.startswith(_MAGIC):
        return None
    number = int.from_bytes(data[_NUMBER_OFFSET : _NUMBER_OFFSET + 8], "little")
    if number == 0:
        return None
    return _decode(data, _SLOT_OFFSETS[number % 2]) or StopRequest("cancel", "", None)


def _decode(data: bytes, offset: int) -> StopRequest | None:
    crc, length = _HEAD.unpack_from(data, offset)
    text = data[offset + _HEAD.size : offset + _HEAD.size + length]
    if length > _SLOT_BYTES or crc != zlib.crc32(text):
        return None
    wish = json.loads(text)
    # The files of earlier versions have neither `now` nor `cause`.
    requested_at = datetime.fromisoformat(wish["requested_at"])
    return StopRequest(wish["stop"], wish["reason"], requested_at, wish.get("now", False), wish.get("cause", ""))


def open_control(path: Path, reserve: Reserve = reserve_space) -> int:
    """Open a control file for writing, making an empty one where there is none; returns its file descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if os.fstat(descriptor).st_size < CONTROL_BYTES:
            reserve(descriptor, 0, CONTROL_BYTES)
        if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
            os.pwrite(descriptor, _MAGIC, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class ControlWatch:
    """The writer's view of a control file: one memory read tells whether a stop was requested."""

    def __init__(self, path: Path, reserve: Reserve = reserve_space) -> None:
        """Map the control file, which is made where it is missing.

        Raises:
            OSError: It can't be opened or made.
        """
        self._path = path
        descriptor = open_control(path, reserve)
        try:
            self._mapping = mmap.mmap(descriptor, CONTROL_BYTES, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._mapping)[_NUMBER_OFFSET : _NUMBER_OFFSET + 8].cast("Q")
        self.number: memoryview | tuple[int] = self._view

    def request(self) -> StopRequest | None:
        """Return the request itself; reads the file."""
        return read_control(self._path) if self.number[0] else None

    def close(self) -> None:
        """Let go of the file; a request that came before stays known. Idempotent."""
        if not self._mapping.closed:
            self.number = (self._view[0],)
            self._view.release()
            self._mapping.close()
