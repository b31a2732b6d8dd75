"""Proof of life: a record lock that the system drops when its process ends, however it ends.

Process ids alone lie (reuse, containers), so the lock decides; the identity beside it only guards against a lock that
was lost while its process lives on.
"""

import fcntl
import json
import os
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from ktrdr_bridge.errors import JournalInUse

# struct flock: Linux has type and whence first, macOS and the BSDs have them last.
_LINUX = sys.platform.startswith("linux")
_FLOCK = struct.Struct("@hhqqi4x" if _LINUX else "@qqihh")

_held: set[tuple[int, int]] = set()
"""Files locked by this process. Opening and closing such a file anywhere in the process would drop its lock."""
os.register_at_fork(after_in_child=_held.clear)


class AliveLock:
    """Held for as long as the session's worker lives; see `hold_alive_lock`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._owner = os.getpid()
        self._key = _key(os.fstat(descriptor))

    def release(self) -> None:
        """Let go of the lock; idempotent, and nothing in a forked child, which never had it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._owner == os.getpid():
            os.ftruncate(descriptor, 0)
            _held.discard(self._key)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def hold_alive_lock(path: Path) -> AliveLock:
    """Lock `path` for this process and write down who holds it.

    Raises:
        JournalInUse: Another process, or this one, holds it.
        OSError: The file can't be made or locked.
    """
    if _known(path) in _held:
        raise JournalInUse(f"this process holds {path} already")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise JournalInUse(f"another process holds {path}") from error
        who = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot_id": boot_id()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(who).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    _held.add(_key(os.fstat(descriptor)))
    return AliveLock(descriptor)


def is_alive(path: Path) -> bool | None:
    """Tell whether the process that locked `path` lives.

    Returns:
        True: the lock is held. False: provably nobody holds it. None: it can't be told (no such file, a file system
        without locks, or the lock was lost while its process lives).
    """
    if _known(path) in _held:
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _locked(descriptor):
            return True
        written = os.pread(descriptor, 4_096, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if _names_a_living_process(written) else False


def _locked(descriptor: int) -> bool:
    ask = (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0) if _LINUX else (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
    answer = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, _FLOCK.pack(*ask)))
    return bool(answer[0 if _LINUX else 3] != fcntl.F_UNLCK)


def _names_a_living_process(written: bytes) -> bool:
    try:
        who = json.loads(written)
        boot, pid, ticks = who["boot_id"], int(who["pid"]), who["start_ticks"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(boot and boot == boot_id() and ticks and ticks == start_ticks(pid))


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _known(path: Path) -> tuple[int, int] | None:
    try:
        return _key(path.stat())
    except OSError:
        return None


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where that can't be told, or it has ended."""
    try:
        # The command name is in parentheses and may contain anything; the start time is the 20th field after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # Ended, and only waiting for its parent to take notice: in a container without an init that may be for ever.
        return 0 if fields[0] in {"Z", "X"} else int(fields[19])
    except (OSError, ValueError, IndexError):
        return 0


def boot_id() -> str:
    """Return the id of this boot of the machine; empty where there is none (not Linux)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
