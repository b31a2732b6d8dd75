"""Run each session in a process of its own, under a keeper."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import ktrdr_bridge

from services.common.clock import Clock
from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives, spawn_keeper
from services.host.process_table import is_running
from services.host.records import WorkerRecord
from services.host.runner import Liveness, WorkerView

LOOK_SECONDS: Final = 0.05
"""How often a worker is looked at. It may be no child of this process, so nobody tells of its end."""


class ProcessRunner:
    """Runs sessions as worker processes that outlive the host, and finds them again after its restart.

    Args:
        kind: Kind of work.
        command: Gives the worker's command line for a session; its first word is the path of an executable.
        environment: The workers' environment.
        clock: For the intervals between looks.
    """

    def __init__(
        self,
        kind: str,
        command: Callable[[SessionFolder], Sequence[str]],
        *,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self.kind = kind
        self._command = command
        self._environment = dict(environment)
        self._clock = clock

    async def start(self, session: SessionFolder) -> None:
        """Start keeper and worker.

        Raises:
            OSError: The keeper could not be started.
        """
        await asyncio.to_thread(spawn_keeper, session, self._command(session), self._environment)

    async def adopt(self, session: SessionFolder) -> None:
        """Start the worker if it never was: the host may have ended between the decision and the deed.

        Raises:
            OSError: The keeper could not be started.
        """
        if _never_started(session):
            await self.start(session)

    async def watch(self, session: SessionFolder) -> AsyncIterator[WorkerView]:
        """Tell how the worker stands, again after each change, until it has ended."""
        last: WorkerView | None = None
        while last is None or last.liveness is not Liveness.ENDED:
            view = look(session)
            if view != last:
                yield view
                last = view
            else:
                await self._clock.sleep(LOOK_SECONDS)

    async def request_stop(self, session: SessionFolder, reason: str) -> None:
        """Write the request where the worker's bridge sees it."""
        await asyncio.to_thread(ktrdr_bridge.request_stop, session.control, reason=reason)

    async def terminate(self, session: SessionFolder) -> bool:
        """Send the worker SIGTERM."""
        return _signal(session, os.kill, signal.SIGTERM)

    async def kill(self, session: SessionFolder) -> bool:
        """Send SIGKILL to the worker and all that it started."""
        return _signal(session, os.killpg, signal.SIGKILL)

    async def shutdown(self) -> None:
        """Leave the workers to themselves: the next host adopts them."""


def look(session: SessionFolder) -> WorkerView:
    """Tell from the evidence in a session's folder how its worker stands.

    A worker has ended when its keeper says so, or when keeper and worker are both provably gone.
    """
    try:
        return _look(session)
    except OSError:
        return WorkerView(Liveness.STALE)


def _look(session: SessionFolder) -> WorkerView:
    if session.exit_record.exists():
        return WorkerView(Liveness.ENDED)
    record = WorkerRecord.load(session.worker_record)
    pid = 0 if record is None or record.worker_pid is None else record.worker_pid
    if keeper_lives(session):
        return WorkerView(Liveness.ALIVE, pid)
    if session.exit_record.exists():
        return WorkerView(Liveness.ENDED)  # written between the two looks
    alive = ktrdr_bridge.is_alive(session.alive_lock)
    if alive or _runs(record):
        return WorkerView(Liveness.ALIVE, pid)
    if alive is None and session.alive_lock.exists():
        return WorkerView(Liveness.STALE, pid)
    return WorkerView(Liveness.ENDED)  # where the lock file is missing too, the worker never came to its work


def _never_started(session: SessionFolder) -> bool:
    """Tell whether provably no worker was ever started: the keeper writes down who it is before it starts one."""
    try:
        return not (session.worker_record.exists() or session.exit_record.exists() or keeper_lives(session))
    except OSError:
        return False


def _runs(record: WorkerRecord | None) -> bool:
    """Tell whether the worker runs that has not come to take its lock yet."""
    if record is None or record.worker_pid is None:
        return False
    return is_running(record.worker_pid, record.worker_start_ticks, record.boot_id)


def _signal(session: SessionFolder, send: Callable[[int, int], None], number: signal.Signals) -> bool:
    """Signal a worker that provably is the one that was started: its keeper has not reaped it, or it holds its lock."""
    view = look(session)
    if view.liveness is not Liveness.ALIVE or not view.pid:
        return False
    with suppress(ProcessLookupError):
        send(view.pid, number)
        return True
    return False
