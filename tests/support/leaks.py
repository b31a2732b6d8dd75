"""What a test may not leave behind: processes, threads, listening ports, open files, tasks."""

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

PATIENCE_SECONDS: Final = 20.0
"""What was told to end gets this long to be gone: sockets and processes need a moment, on a busy machine a long one."""

_INTERNAL_TASKS: Final = ("cygrpc", "grpc.aio", "grpc/aio")
_SHARED_PROCESSES: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


@dataclass(frozen=True)
class Footprint:
    """What this process holds at one moment."""

    processes: frozenset[int]
    threads: frozenset[threading.Thread]
    ports: frozenset[int]
    files: dict[int, str] = field(hash=False)

    def beyond(self, before: "Footprint") -> list[str]:
        """Describe what is here and was not there before."""
        return [
            *(f"process {pid}: {_command(pid)}" for pid in sorted(self.processes - before.processes)),
            *(f"thread {thread.name}" for thread in self.threads - before.threads),
            *(f"listening port {port}" for port in sorted(self.ports - before.ports)),
            *(
                f"file descriptor {number}: {target}"
                for number, target in self.files.items()
                if before.files.get(number) != target
            ),
        ]


def footprint(folder: Path | None = None) -> Footprint:
    """Look at what this process holds.

    Args:
        folder: Processes whose command line names something in it count too: workers that outlive their parent are no
            children of ours.
    """
    own = psutil.Process()
    processes = {child.pid for child in own.children(recursive=True) if not _is_shared(child)}
    if folder is not None:
        processes |= _processes_about(str(folder))
    return Footprint(
        processes=frozenset(processes),
        # Threads of the event loop's own executor (asyncio.to_thread) end with the loop, which is closed later.
        threads=frozenset(
            thread for thread in threading.enumerate() if not thread.daemon and not thread.name.startswith("asyncio_")
        ),
        ports=frozenset(
            connection.laddr.port
            for connection in own.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        ),
        files=_open_files(),
    )


@contextlib.contextmanager
def nothing_left_behind(folder: Path | None = None) -> Iterator[None]:
    """Fail if the block leaves something behind; processes that it left are ended.

    Raises:
        AssertionError: Names what was left.
    """
    before = footprint(folder)
    yield
    deadline = time.monotonic() + PATIENCE_SECONDS
    now = footprint(folder)
    while left := now.beyond(before):
        if time.monotonic() > deadline:
            for pid in now.processes - before.processes:
                with contextlib.suppress(psutil.Error):
                    psutil.Process(pid).kill()
            message = "the test left behind: " + "; ".join(left)
            raise AssertionError(message)
        gc.collect()
        time.sleep(0.05)
        now = footprint(folder)


async def leftover_tasks() -> list[str]:
    """Return the tasks beside the current one that do not end by themselves within a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        left = [text for text in map(repr, tasks) if not any(part in text for part in _INTERNAL_TASKS)]
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.02)


def _open_files() -> dict[int, str]:
    """Return regular files and pipes by descriptor. Sockets and the like come and go with grpc's own threads."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith(("/", "pipe:")) and not target.startswith(("/dev/", "/proc/", "/memfd:")):
                found[int(entry.name)] = target
    return found


def _processes_about(folder: str) -> set[int]:
    found = set()
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.pid != os.getpid() and any(folder in word for word in words):
            found.add(process.pid)
    return found


def _is_shared(process: psutil.Process) -> bool:
    """Tell whether it is one of Python's own helpers, which stay for the whole run."""
    with contextlib.suppress(psutil.Error):
        return any(name in word for word in process.cmdline() for name in _SHARED_PROCESSES)
    return False


def _command(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{' '.join(process.cmdline()) or process.name()} ({process.status()})"
    except psutil.Error:
        return "just ended"
