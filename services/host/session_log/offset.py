"""How far a reader has come in a session's log, as a text that means nothing to anyone else."""

import base64
import binascii
import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Self

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_VERSION: Final = 1
_LAYOUT: Final = struct.Struct("<B4s8sQQ")
_CHECK_BYTES: Final = 4


@dataclass(frozen=True)
class LogPosition:
    """A place in a session's log.

    Attributes:
        file: Fingerprint of the file of entries that was read last; eight zero bytes if none was.
        entries: Position in that file.
        output: Position in the printed output, counted from its very beginning.
    """

    file: bytes = bytes(8)
    entries: int = 0
    output: int = 0

    def encode(self, session_id: str) -> str:
        """Return the offset that stands for the place in the log of this session."""
        body = _LAYOUT.pack(_VERSION, _digest(session_id.encode(), 4), self.file, self.entries, self.output)
        return base64.urlsafe_b64encode(body + _digest(body, _CHECK_BYTES)).rstrip(b"=").decode()

    @classmethod
    def decode(cls, offset: str, session_id: str) -> Self:
        """Return the place that an offset stands for.

        Raises:
            ServiceError: LOG_OFFSET_INVALID; it was not made by the log of this session.
        """
        try:
            content = base64.b64decode(offset + "=" * (-len(offset) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid("It is no offset at all.") from None
        body, check = content[:-_CHECK_BYTES], content[-_CHECK_BYTES:]
        if len(body) != _LAYOUT.size or check != _digest(body, _CHECK_BYTES) or body[0] != _VERSION:
            raise _invalid("It is no offset at all, or was damaged.")
        _, session, file, entries, output = _LAYOUT.unpack(body)
        if session != _digest(session_id.encode(), 4):
            raise _invalid("It belongs to the log of another session.")
        return cls(file, entries, output)


def _digest(content: bytes, size: int) -> bytes:
    return blake2b(content, digest_size=size).digest()


def _invalid(detail: str) -> ServiceError:
    return ServiceError(ErrorReason.ERROR_REASON_LOG_OFFSET_INVALID, detail=detail)
