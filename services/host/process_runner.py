"""Run each session in a process of its own, under a keeper."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress

from services.common.clock import Clock
from services.host.allotment import Allotment
from services.host.folder import SessionFolder
from services.host.process_spawn import locked_for_keeper, spawn_keeper
from services.host.process_table import start_ticks
from services.host.runner import Liveness, StopWish, WorkerView
from services.host.spare.spare_worker import SpareWorker
from services.host.spare.spare_workers import SpareWorkers
from services.host.worker_evidence import look, never_started, worker_record
from services.host.worker_following import WorkerFollowing


class ProcessRunner:
    """Runs sessions as worker processes that outlive the host, and finds them again after its restart.

    While a worker runs nothing is done for it: the system tells of its keeper's end.

    Args:
        kind: Kind of work.
        command: Gives the worker's command line for a session; its first word is the path of an executable.
        environment: The workers' environment.
        clock: For the intervals between looks.
        more_arguments: Words that are added to the command line for what a session gets.
        more_environment: Variables that are added for what a session gets. With spares they have to be such that
            libraries read when they are first used, and not when they are loaded.
        spares: Workers that wait for a session; None for none.
    """

    def __init__(
        self,
        kind: str,
        command: Callable[[SessionFolder], Sequence[str]],
        *,
        environment: Mapping[str, str],
        clock: Clock,
        more_arguments: Callable[[Allotment], Sequence[str]] = lambda _: (),
        more_environment: Callable[[Allotment], Mapping[str, str]] = lambda _: {},
        spares: SpareWorkers | None = None,
    ) -> None:
        self.kind = kind
        self._command = command
        self._environment = environment
        self._clock = clock
        self._more_arguments = more_arguments
        self._more_environment = more_environment
        self._spares = spares

    async def start(self, session: SessionFolder, allotment: Allotment) -> None:
        """Give the session to a spare worker, or start keeper and worker.

        Raises:
            OSError: The keeper could not be started.
        """
        command = [*self._command(session), *self._more_arguments(allotment)]
        more = self._more_environment(allotment)
        spare = None
        if self._spares is not None:
            spare = await self._spares.take(usable=allotment.fits_a_running_process)
        await asyncio.to_thread(self._begin, session, allotment, command, more, spare)

    def _begin(
        self,
        session: SessionFolder,
        allotment: Allotment,
        command: Sequence[str],
        more: Mapping[str, str],
        spare: SpareWorker | None,
    ) -> None:
        try:
            with locked_for_keeper(session) as lock:
                if spare is not None and spare.hand_over(session, lock, command, more):
                    return
                spawn_keeper(
                    session,
                    command,
                    {**self._environment, **allotment.thread_environment(), **more},
                    lock=lock,
                    memory_limit_bytes=allotment.memory_limit_bytes,
                    niceness=allotment.niceness,
                )
        finally:
            if spare is not None:
                spare.end()

    async def adopt(self, session: SessionFolder, allotment: Allotment) -> None:
        """Start the worker if it never was: the host may have ended between the decision and the deed.

        Raises:
            OSError: The keeper could not be started.
        """
        if never_started(session):
            await self.start(session, allotment)

    async def watch(self, session: SessionFolder) -> AsyncIterator[WorkerView]:
        """Tell how the worker stands, again after each change, until it has ended."""
        following = WorkerFollowing(session, self._clock)
        last: WorkerView | None = None
        while last is None or last.liveness is not Liveness.ENDED:
            view = look(session)
            if view != last:
                yield view
                last = view
            else:
                await following.wait(view)

    async def request_stop(self, session: SessionFolder, wish: StopWish) -> None:
        """Write the request where the worker's bridge sees it."""
        await asyncio.to_thread(wish.write, session.control)

    async def terminate(self, session: SessionFolder) -> bool:
        """Send the worker SIGTERM."""
        return _signal(session, os.kill, signal.SIGTERM)

    async def kill(self, session: SessionFolder) -> bool:
        """Send SIGKILL to the worker and all that it started."""
        return _signal(session, os.killpg, signal.SIGKILL)

    async def shutdown(self) -> None:
        """Leave the workers to themselves: the next host adopts them."""


def _signal(session: SessionFolder, send: Callable[[int, int], None], number: signal.Signals) -> bool:
    """Signal a worker, if what has its number here is the process that was started.

    That the session is alive does not say so: the keeper may have reaped the worker and be writing that down, or both
    may run in another container.
    """
    view, record = look(session), worker_record(session)
    if view.liveness is not Liveness.ALIVE or record is None or record.worker_pid is None:
        return False
    if record.worker_start_ticks and start_ticks(record.worker_pid) != record.worker_start_ticks:
        return False
    with suppress(ProcessLookupError):
        send(record.worker_pid, number)
        return True
    return False
