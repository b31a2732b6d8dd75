"""Start one worker, wait for it, and write down how it ended.

Run as a script by the host, one for each session: `python -I -S keeper.py FOLDER LOCK_FD COMMAND…`. It imports nothing
but the standard library, so it is small, starts at once and cannot be hurt by what hurts the worker. It leads a session
of its own, so it outlives the host; the worker leads a process group of its own, so that it can be ended with all its
children.

LOCK_FD is the open and locked `keeper.lock`. The lock came with the descriptor, so it was held before this process
began and is released by the kernel when it ends: whoever can take it knows that no keeper lives.
"""

import contextlib
import datetime as dt
import json
import os
import signal
import sys
import time

_WRITE_ATTEMPTS = 60


def _write(folder: str, name: str, content: dict[str, object]) -> None:
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


def _end_group(group: int) -> None:
    """End what the worker left behind. Its own process is not reaped yet, so the number cannot have been reused."""
    # Nobody may be left; macOS refuses permission where only the ended worker is.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Run the worker to its end."""
    folder, lock, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(lock, False)
    # The keeper has to see the worker's end, whoever else is told to go.
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    record: dict[str, object] = {
        "keeper_pid": os.getpid(),
        "keeper_start_ticks": _start_ticks(os.getpid()),
        "boot_id": _read("/proc/sys/kernel/random/boot_id").strip(),
    }
    # Written before the worker begins: where this file is missing and the lock is free, no worker was ever started.
    _write(folder, "worker.json", record)
    code: int | None = None
    ended_by: int | None = None
    memory = 0
    try:
        worker = os.posix_spawn(
            command[0], command, os.environ, setpgroup=0, setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
        )
    except OSError as error:
        _log(f"cannot start {command[0]}: {error}")
        code = 127  # what a shell answers for a command that cannot be run
    else:
        _write(folder, "worker.json", {**record, "worker_pid": worker, "worker_start_ticks": _start_ticks(worker)})
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        _end_group(worker)
        _, status, usage = os.wait4(worker, 0)
        if os.WIFSIGNALED(status):
            ended_by = os.WTERMSIG(status)
        else:
            code = os.waitstatus_to_exitcode(status)
        memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    ended_at = dt.datetime.now(dt.UTC).isoformat()
    _write(folder, "exit.json", {"code": code, "signal": ended_by, "max_rss_bytes": memory, "ended_at": ended_at})


if __name__ == "__main__":
    main()
