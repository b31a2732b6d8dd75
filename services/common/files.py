"""Files that are never seen half-written, and folders that only one process uses."""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from services.common.startup import CannotStartError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers, and a restart after a power cut, see either the old content or the new one.

    Raises:
        OSError: The folder can't be written, or no space is left. The old content is untouched, and nothing remains of
            the new one.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal, without holding all of it in memory.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make additions, renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderInUseError(CannotStartError):
    """Another process, or another part of this one, uses the folder.

    Args:
        message: For people, with what to do.
        owner: Who uses it: "ib-host (pid 4711 on box-7, since 2026-01-15T09:30:00+00:00)".
    """

    def __init__(self, message: str, *, owner: str) -> None:
        super().__init__(message)
        self.owner = owner


class FolderLock:
    """An exclusive lock that its owner holds as long as it lives; the kernel drops it when the owner dies.

    Args:
        path: The lock file, such as <folder>/host.lock. It stays when the lock is released: removing it would let two
            owners in.
        owner: Who locks, for the message that others get.
    """

    def __init__(self, path: Path, *, owner: str = "") -> None:
        self._path = path
        self._owner = owner
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            FolderInUseError: Someone else has it; the message names them.
            OSError: The file can't be opened.
        """
        # flock, and not lockf: a POSIX lock would not exclude a second owner in the same process, and would be lost as
        # soon as any part of the process closes the file.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _described(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            advice = "Stop it, or choose another folder with --home or KTRDR_HOME."
            raise FolderInUseError(f"{self._path.parent} is in use by {owner}. {advice}", owner=owner) from None
        except BaseException:
            os.close(descriptor)
            raise
        record = {
            "pid": os.getpid(),
            "machine": socket.gethostname(),
            "owner": self._owner,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._descriptor = descriptor
        # The lock counts, not what is told of its owner: on a full disk there is no room for that.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(record).encode(), 0)

    def release(self) -> None:
        """Give the lock back. Does nothing when it is not held."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _described(content: bytes) -> str:
    """Return who wrote the lock file. Its owner may be writing right now, so anything may be there."""
    try:
        record = json.loads(content)
        # Locks of earlier releases do not name the machine.
        machine = f" on {record['machine']}" if "machine" in record else ""
        return f"{record['owner'] or 'a process'} (pid {int(record['pid'])}{machine}, since {record['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
