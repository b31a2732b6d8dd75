"""Keep the identity of a host in its folder."""

import secrets
from pathlib import Path
from typing import Final

from services.common.files import write_atomically
from services.common.startup import CannotStartError
from services.host.records import Record

_RESERVED: Final = 1_000


class IdentityRecord(Record):
    """host.json: who the host is.

    Attributes:
        host_uid: Its identity, for as long as the folder exists.
        reserved_finish_number: No session has got a finish number above this one.
    """

    host_uid: str
    reserved_finish_number: int = 0


class HostIdentity:
    """The identity of a host, and the numbers that must never be used twice in its folder.

    Finish numbers are reserved in blocks before they are given, so that one write serves a thousand sessions and
    neither a crash nor a removed session brings a number back.

    Args:
        folder: The host's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "host.json"
        self._record: IdentityRecord | None = None
        self._last = 0

    def open(self) -> None:
        """Read the identity; a folder without one gets one.

        Raises:
            CannotStartError: The file is there and cannot be understood. Another identity would make every reader begin
                anew.
            OSError: The file cannot be read or written.
        """
        known = IdentityRecord.load(self._path)
        if known is None and self._path.exists():
            message = (
                f"{self._path} is damaged. Restore it from a backup, or remove it: the host then gets a new identity."
            )
            raise CannotStartError(message)
        if known is None:
            known = IdentityRecord(host_uid=secrets.token_hex(16))
            write_atomically(self._path, known.to_bytes())
        self._record = known
        self._last = known.reserved_finish_number

    @property
    def host_uid(self) -> str:
        """The host's identity: 32 hexadecimal digits."""
        return self._opened.host_uid

    @property
    def last_finish_number(self) -> int:
        """The highest finish number that may have been given."""
        return self._last

    def note_finish_number(self, number: int) -> None:
        """Take notice of a number that a session of the folder has."""
        self._last = max(self._last, number)

    def next_finish_number(self) -> int:
        """Give the next finish number. Writes a file now and then: call it in a thread, from one place at a time.

        Raises:
            OSError: The file could not be written; no number was given.
        """
        if self._last >= self._opened.reserved_finish_number:
            reserved = self._opened.model_copy(update={"reserved_finish_number": self._last + _RESERVED})
            write_atomically(self._path, reserved.to_bytes())
            self._record = reserved
        self._last += 1
        return self._last

    @property
    def _opened(self) -> IdentityRecord:
        if self._record is None:
            message = "the identity is used before it was opened"
            raise RuntimeError(message)
        return self._record
