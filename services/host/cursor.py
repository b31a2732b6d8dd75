"""Where a reader of a host stands: the opaque cursor of GetStatus."""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

TOKEN_BYTES: Final = 8
_VERSION: Final = 1
_CHECK_BYTES: Final = 8
_HEAD: Final = struct.Struct("<B16s8sQIBI")
_POSITION: Final = struct.Struct("<16sQ8sQB")
_NO_INCARNATION: Final = bytes(16)


class SessionCursor(NamedTuple):
    """Where a reader stands in one session.

    Attributes:
        incarnation: The journal that it has read from; empty while there was none.
        seq: Next row to read.
        token: Digest of the state that it was told last.
        target: Where the journal ended when the reader was first told of the session: what a snapshot has to reach. 0
            once it has.
    """

    incarnation: str
    seq: int
    token: bytes
    target: int = 0


@dataclass(frozen=True)
class Cursor:
    """Where a reader stands on a host. Everything is in the cursor: the host keeps nothing for its readers.

    Attributes:
        host_uid: The host that it was made by.
        filter_digest: Digest of the session filter that it was made with.
        finished_through: All sessions that finished with this number or an earlier one have been read to their end, so
            they need no entry of their own.
        turn: Counts answers, so that each begins to share out points with another session.
        complete: The first reading of everything is done.
        renewed: It took the place of a cursor of another host, so every session that it tells of for the first time is
            a reset.
        sessions: The sessions that are being read.
    """

    host_uid: str
    filter_digest: bytes
    finished_through: int = 0
    turn: int = 0
    complete: bool = False
    renewed: bool = False
    sessions: Mapping[str, SessionCursor] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the cursor as it travels. Digits are packed: it comes with each poll."""
        parts = [
            _HEAD.pack(
                _VERSION,
                bytes.fromhex(self.host_uid),
                self.filter_digest,
                self.finished_through,
                self.turn % 2**32,
                self.complete | self.renewed << 1,
                len(self.sessions),
            )
        ]
        for session_id, position in self.sessions.items():
            name = session_id.encode()
            incarnation = _packed(position.incarnation)
            parts.append(_POSITION.pack(incarnation, position.seq, position.token, position.target, len(name)) + name)
        content = b"".join(parts)
        return _check(content) + content

    @classmethod
    def decode(cls, data: bytes) -> "Cursor":
        """Read a cursor.

        Raises:
            ServiceError: CURSOR_INVALID, where it was not made by `encode`, or was damaged since.
        """
        check, content = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if check != _check(content) or not content or content[0] != _VERSION:
            raise ServiceError(ErrorReason.ERROR_REASON_CURSOR_INVALID)
        _, host_uid, digest, finished, turn, flags, count = _HEAD.unpack_from(content)
        sessions = {}
        offset = _HEAD.size
        for _ in range(count):
            incarnation, seq, token, target, length = _POSITION.unpack_from(content, offset)
            offset += _POSITION.size
            name = content[offset : offset + length].decode()
            offset += length
            known = "" if incarnation == _NO_INCARNATION else incarnation.hex()
            sessions[name] = SessionCursor(known, seq, token, target)
        return cls(host_uid.hex(), digest, finished, turn, bool(flags & 1), bool(flags & 2), sessions)


@dataclass(frozen=True)
class CursorHead:
    """What a cursor says of the reading as a whole: cheap to read, whatever the number of sessions.

    Attributes:
        filter_digest: Digest of the session filter that it was made with.
        finished_through: All sessions that finished with this number or an earlier one have been read to their end.
        turn: Counts answers.
    """

    filter_digest: bytes
    finished_through: int
    turn: int

    @classmethod
    def of(cls, data: bytes) -> "CursorHead":
        """Read the head of a cursor.

        Raises:
            ServiceError: CURSOR_INVALID, where it was not made by `Cursor.encode`, or was damaged since.
        """
        check, content = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        if check != _check(content) or not content or content[0] != _VERSION:
            raise ServiceError(ErrorReason.ERROR_REASON_CURSOR_INVALID)
        _, _, digest, finished, turn, _, _ = _HEAD.unpack_from(content)
        return cls(digest, finished, turn)


def filter_digest(session_ids: Collection[str]) -> bytes:
    """Return a digest of a session filter, the same for the same set of ids in any order."""
    digest = blake2b(digest_size=TOKEN_BYTES)
    for session_id in sorted(set(session_ids)):
        digest.update(session_id.encode() + b"\0")
    return digest.digest()


@lru_cache(maxsize=4_096)
def _packed(incarnation: str) -> bytes:
    return bytes.fromhex(incarnation) or _NO_INCARNATION


def _check(content: bytes) -> bytes:
    """Return a digest that tells damage. It keeps no secret: a cursor says where to read, not what one may read."""
    return blake2b(content, digest_size=_CHECK_BYTES, person=b"ktrdr-cursor").digest()
