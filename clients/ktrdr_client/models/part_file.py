"""A file on its way: what has come of it lies beside its place, as NAME.part, until it is whole.

Everything here blocks: call it in a thread.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 2**20


class PartFile:
    """The part of a file that is there. One download at a time has it, of whatever process.

    Args:
        target: Place of the whole file.

    Attributes:
        path: Place of the part.
        size_bytes: Bytes that are there.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.size_bytes = 0
        self._target = target
        self._digest = hashlib.sha256()
        self._descriptor = -1

    def take(self) -> bool:
        """Open the part that is there, or an empty one; False where another download has it.

        Raises:
            OSError: It cannot be opened for writing.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o666)
        if not (_lock(descriptor) and self._is_in_place(descriptor)):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def go_on(self, most_bytes: int) -> None:
        """Read what is there, so as to go on behind it; what is longer than the whole file may be is thrown away.

        Raises:
            OSError: It cannot be read.
        """
        if os.fstat(self._descriptor).st_size > most_bytes:
            self.begin_again()
            return
        while data := os.read(self._descriptor, _PIECE_BYTES):
            self._digest.update(data)
            self.size_bytes += len(data)

    def begin_again(self) -> None:
        """Throw away what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    def append(self, data: bytes) -> None:
        """Write what comes next.

        Raises:
            OSError: It cannot be written. What was written of it is kept.
        """
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            self._digest.update(rest[:written])
            self.size_bytes += written
            rest = rest[written:]

    @property
    def sha256(self) -> str:
        """Digest of what is there, hexadecimal."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Put the file in its place at once; it is whole.

        Raises:
            OSError: That is not possible.
        """
        os.fsync(self._descriptor)
        if sys.platform == "win32":
            os.close(self._descriptor)  # an open file cannot be renamed there
            self._descriptor = -1
        self.path.replace(self._target)
        self._close()

    def leave(self) -> None:
        """Let go of it; what is there stays for the next download. Harmless after `finish`."""
        if self._descriptor >= 0 and not os.fstat(self._descriptor).st_size:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_in_place(self, descriptor: int) -> bool:
        """Tell whether what was opened is still what has the name: another download may just have finished it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False


def _lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where somebody else has done so."""
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 - not everywhere

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # the file system has no locks; the digest still tells a spoiled file
    return True


def sha256_of(path: Path) -> str:
    """Return the digest of a file, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
