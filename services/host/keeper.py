"""Start one worker, wait for it, and write down how it ended.

Run as a script by the host, one for each session:
`python -I -S keeper.py FOLDER LOCK_FD MEMORY_BYTES NICENESS COMMAND…`. It imports nothing but the standard library, so
it is small, starts at once and cannot be hurt by what hurts the worker. It leads a session of its own, so it outlives
the host; the worker leads a process group of its own, so that it can be ended with all its children.

MEMORY_BYTES is 0 for no limit, NICENESS for no change. `spare/spare_keeper.py` does the same with a worker that was
started before there was a session for it.

LOCK_FD is the open and locked `keeper.lock`. The lock came with the descriptor, so it was held before this process
began and is released by the kernel when it ends: whoever can take it knows that no keeper lives.
"""

import contextlib
import datetime as dt
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator

POLITE_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The keeper has to see the worker's end, whoever else is told to go."""

_WRITE_ATTEMPTS = 60
_EXIT_BYTES = 4_096


def write(folder: str, name: str, content: dict[str, object]) -> None:
    """Write a file atomically and durably; on a full disk try for a minute, as space may come back."""
    path = os.path.join(folder, name)  # noqa: PTH118 - pathlib would be a quarter of this process's start-up time
    temporary = f"{path}.tmp"
    for attempt in range(_WRITE_ATTEMPTS):
        try:
            with open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - as above
        except OSError as error:
            _log(f"cannot write {name}: {error}")
            if attempt + 1 == _WRITE_ATTEMPTS or isinstance(error, FileNotFoundError):
                return  # the latter: somebody removed the session's folder
            time.sleep(1.0)
        else:
            return


def reserve(folder: str) -> None:
    """Take the space for exit.json beforehand: then a disk that is full by the time of the end hides nothing."""
    with contextlib.suppress(OSError), open(os.path.join(folder, "exit.json.tmp"), "wb") as file:  # noqa: PTH118, PTH123 - as below
        file.write(b" " * _EXIT_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _write_exit(folder: str, content: dict[str, object]) -> None:
    """Write exit.json into the space that was reserved for it; as any other file where that does not work."""
    path = os.path.join(folder, "exit.json")  # noqa: PTH118 - as below
    try:
        with open(f"{path}.tmp", "r+b") as file:  # noqa: PTH123 - as below
            # White space after it is no part of the JSON.
            file.write(json.dumps(content).encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.tmp", path)  # noqa: PTH105 - as below
    except OSError:
        write(folder, "exit.json", content)


def _log(text: str) -> None:
    """Write to the session's log, which stderr is."""
    sys.stderr.write(f"keeper: {text}\n")
    sys.stderr.flush()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as above
            return file.read()
    except OSError:
        return ""


def _start_ticks(pid: int) -> int:
    """Return when a process began, field 22 of /proc/PID/stat (proc(5)); 0 where there is no such file."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0


def oom_kills() -> tuple[str, int]:
    """Return how many processes the kernel has ended for want of memory, and where it has counted them.

    See memory.events in the kernel's documentation of cgroup v2, and /proc/vmstat in proc(5).

    Returns:
        "group" for this control group, "machine" where that is not told, or "" where nothing is; and their number.
    """
    group = next((line[3:] for line in _read("/proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    for scope, path in (("group", f"/sys/fs/cgroup{group}/memory.events"), ("machine", "/proc/vmstat")):
        for line in _read(path).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return scope, int(count)
    return "", 0


@contextlib.contextmanager
def _limits(memory_bytes: int, niceness: int) -> Iterator[None]:
    """Let what is started within the block inherit limits.

    RLIMIT_DATA, and not RLIMIT_AS: libraries for GPUs reserve addresses by the hundred gigabytes that never become
    memory, and RLIMIT_AS counts addresses.
    """
    with contextlib.suppress(OSError):
        os.nice(niceness)
    if not memory_bytes:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        memory_bytes = min(memory_bytes, hard)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
    except (OSError, ValueError) as error:
        _log(f"cannot limit memory to {memory_bytes} bytes: {error}")
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def start(command: list[str]) -> int:
    """Start a worker in a process group of its own, and return its process id.

    Raises:
        OSError: It cannot be started.
    """
    return os.posix_spawn(command[0], command, os.environ, setpgroup=0, setsigdef=POLITE_SIGNALS)


def record_of(worker: int | None = None) -> dict[str, object]:
    """Return what worker.json says: who the keeper is, and the worker, once there is one."""
    record: dict[str, object] = {
        "keeper_pid": os.getpid(),
        "keeper_start_ticks": _start_ticks(os.getpid()),
        "boot_id": _read("/proc/sys/kernel/random/boot_id").strip(),
    }
    return record if worker is None else {**record, "worker_pid": worker, "worker_start_ticks": _start_ticks(worker)}


def end_group(group: int) -> None:
    """End what the worker left behind. Its own process is not reaped yet, so the number cannot have been reused."""
    # Nobody may be left; macOS refuses permission where only the ended worker is.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def follow(worker: int) -> dict[str, object]:
    """Wait for the worker's end, end all that it left behind, and return how it ended."""
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    end_group(worker)
    _, status, usage = os.wait4(worker, 0)
    by_signal = os.WIFSIGNALED(status)
    return {
        "code": None if by_signal else os.waitstatus_to_exitcode(status),
        "signal": os.WTERMSIG(status) if by_signal else None,
        "max_rss_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def write_end(folder: str, end: dict[str, object], *, memory_bytes: int, oom_kills_before: tuple[str, int]) -> None:
    """Write exit.json: how the worker ended, just now."""
    ended_at = dt.datetime.now(dt.UTC).isoformat()
    scope, now = oom_kills()
    kills = now - oom_kills_before[1] if scope == oom_kills_before[0] else 0
    evidence = {"memory_limit_bytes": memory_bytes, "oom_kills": kills, "oom_scope": scope}
    _write_exit(folder, {**end, "ended_at": ended_at, **evidence})


def main() -> None:
    """Run the worker to its end."""
    folder, lock, memory_bytes, niceness = sys.argv[1], *map(int, sys.argv[2:5])
    command = sys.argv[5:]
    os.set_inheritable(lock, False)
    for ignored in POLITE_SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    # Written before the worker begins: where this file is missing and the lock is free, no worker was ever started.
    write(folder, "worker.json", record_of())
    reserve(folder)
    oom_kills_before = oom_kills()
    try:
        with _limits(memory_bytes, niceness):
            worker = start(command)
    except OSError as error:
        _log(f"cannot start {command[0]}: {error}")
        end: dict[str, object] = {"code": 127, "signal": None, "max_rss_bytes": 0}  # as a shell answers
    else:
        write(folder, "worker.json", record_of(worker))
        end = follow(worker)
    write_end(folder, end, memory_bytes=memory_bytes, oom_kills_before=oom_kills_before)


if __name__ == "__main__":
    main()
