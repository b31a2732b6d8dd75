"""Wait until it makes sense to look at a worker again."""

import os
import signal
from contextlib import suppress
from typing import Final

from services.common.clock import Clock
from services.host.folder import SessionFolder
from services.host.process_end import process_ended
from services.host.process_table import is_running
from services.host.records import WorkerRecord
from services.host.runner import Liveness, WorkerView
from services.host.worker_evidence import keeper_is_alive, worker_record

FIRST_LOOK_SECONDS: Final = 0.02
"""How soon a session is looked at again whose keeper has not written down yet which processes there are."""
LOOK_SECONDS: Final = 1.0
"""How often a session is looked at where no end of a process can be waited for."""


class WorkerFollowing:
    """Waits for the end of a session's processes: of the keeper, or of the worker that has lost its keeper.

    Args:
        session: The session.
        clock: For the intervals between looks.
    """

    def __init__(self, session: SessionFolder, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._pause = FIRST_LOOK_SECONDS
        self._ended: set[int] = set()

    async def wait(self, view: WorkerView) -> None:
        """Wait until something may have changed.

        Args:
            view: How the worker stood a moment ago. It had not ended.
        """
        record = worker_record(self._session)
        pid = None if record is None else record.worker_pid
        # A record that tells of another worker than the view was written in between: there is news to be told.
        if record is None or pid is None or pid != view.pid or view.liveness is Liveness.STALE:
            await self._clock.sleep(self._pause)
            self._pause = min(2 * self._pause, LOOK_SECONDS)
            return
        keeper = keeper_is_alive(self._session)
        if keeper:
            pid = record.keeper_pid
        if pid in self._ended:
            # Its lock is held although no such process is here: it is in another container, say.
            await self._clock.sleep(LOOK_SECONDS)
        elif keeper:
            await process_ended(pid, record.keeper_start_ticks, record.boot_id)
        else:
            await _worker_ended(pid, record)
        self._ended.add(pid)


async def _worker_ended(pid: int, record: WorkerRecord) -> None:
    """Wait for the end of a worker without a keeper, and end what it leaves behind, as its keeper would have."""
    seen = is_running(pid, record.worker_start_ticks, record.boot_id)
    await process_ended(pid, record.worker_start_ticks, record.boot_id)
    if seen:
        # The number of a process group is not given to anybody else while the group lasts.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
