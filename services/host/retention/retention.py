"""Remove finished sessions when they have been kept long enough and everybody has read them."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.host.loading import StoredSession
from services.host.retention.disk_use import DiskUse
from services.host.retention.host_database import HostDatabase
from services.host.retention.keeping import KeepLimits, overdue
from services.host.retention.leases import Leases
from services.host.retention.leftovers import hide_leftovers
from services.host.retention.removal import Removal
from services.host.retention.tombstones import Tombstones
from services.host.session import HostedSession
from services.host.session_table import SessionTable

SWEEP_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 3.0
"""Time to the next sweep where something was in use: a process that has just ended its session, say."""
_AT_ONCE: Final = 100
"""Sessions that are removed in one transaction."""


class Retention:
    """Sweeps: removes what is over the limits, stores the leases of readers, forgets old tombstones, counts the disk.

    Args:
        limits: How long things are kept.
        database: Where tombstones and leases are.
        tombstones: What is left of removed sessions.
        leases: What readers have stored.
        removal: Removes sessions.
        disk_use: Counts.
        table: All sessions of the host.
        clock: Time.
        own: Folder of the host's own sessions.
        others: Folders of sessions that others have made and the host serves.
    """

    def __init__(
        self,
        limits: KeepLimits,
        *,
        database: HostDatabase,
        tombstones: Tombstones,
        leases: Leases,
        removal: Removal,
        disk_use: DiskUse,
        table: SessionTable,
        clock: Clock,
        own: Path,
        others: Sequence[Path] = (),
    ) -> None:
        self.tombstones = tombstones
        self.leases = leases
        self.removal = removal
        self.disk_use = disk_use
        self._limits = limits
        self._database = database
        self._table = table
        self._clock = clock
        self._own = own
        self._others = others
        self._nothing_before = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._logger = structlog.get_logger()

    @property
    def finished_count(self) -> int:
        """Sessions that have ended and whose folders are kept."""
        return len(self._table.finished)

    async def open(self) -> None:
        """Open the database, and put away what a crash has left of removed sessions. Before sessions are loaded.

        Raises:
            CannotStartError: The database cannot be used.
            ServiceError: It cannot be read.
        """
        await self._database.open()
        await self.leases.load()
        self._nothing_before = self._clock.monotonic() + self._limits.reader_grace.total_seconds()
        leftovers = await hide_leftovers(self.tombstones, self._own, self._others)
        self.removal.take_over(leftovers.hidden, leftovers.unhidden)

    async def still_there(self, stored: Sequence[StoredSession]) -> list[StoredSession]:
        """Return the sessions that were not removed. A folder that could not be put away is not to be shown."""
        removed = await self.tombstones.among([each.record.id for each in stored])
        return [each for each in stored if each.record.id not in removed]

    def start(self) -> None:
        """Begin to sweep: now, when sessions finish, and every minute."""
        self._task = asyncio.create_task(self._keep_sweeping(), name="retention")

    def wake(self) -> None:
        """Sweep now: a session has finished."""
        self._wake.set()

    async def stop(self) -> None:
        """Finish what is under way, store the leases, and close the database."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.removal.settled()
        try:
            if self._task is not None:
                await self.leases.store()
        except ServiceError as error:
            self._logger.warning("leases_not_stored", problem=error.message)
        await self._database.close()

    async def sweep(self) -> bool:
        """Do once what is to be done.

        Returns:
            Whether all of it could be: nothing that is to go is in use.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT.
        """
        self.leases.forget_absent(self._limits.lease_age)
        await self.leases.store()
        self.removal.go_on()
        due = await self._due()
        for part in _parts(due):
            await self.removal.remove(part)
        await self.tombstones.expire(self._clock.now(), self._limits.tombstone_age)
        await self.disk_use.count()
        return not any(session.id in self._table for session in due)

    async def _due(self) -> list[HostedSession]:
        if not self.leases and self._clock.monotonic() < self._nothing_before:
            return []
        finished = list(self._table.finished)
        # In a thread: there may be as many sessions as the settings allow.
        over = await asyncio.to_thread(overdue, finished, self._limits, self._clock.now())
        return [session for session in over if not self.leases.waits_for(session)]

    async def _keep_sweeping(self) -> None:
        while True:
            self._wake.clear()
            done = True
            try:
                done = await self.sweep()
            except ServiceError as error:
                self._logger.warning("retention_not_done", problem=error.message)
            except Exception:
                self._logger.exception("retention_failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS if done else _AGAIN_SECONDS):
                    await self._wake.wait()


def _parts(sessions: Sequence[HostedSession]) -> list[Sequence[HostedSession]]:
    return [sessions[start : start + _AT_ONCE] for start in range(0, len(sessions), _AT_ONCE)]
