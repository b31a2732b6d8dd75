"""Remove sessions so that a crash at any moment loses nothing that was not told."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from ktrdr_bridge import is_alive

from services.common.clock import Clock
from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives
from services.host.retention.hidden_folders import delete_folder, hide_folders
from services.host.retention.tombstones import Tombstone, Tombstones
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.start_request import AcceptedStarts


class Removal:
    """Removes sessions that have ended.

    First the tombstone is durable; from then on the session is told from it. Then the folder gets a hidden name, which
    counts as gone, and is deleted. The next start of the host goes on where a crash has cut this off.

    Args:
        tombstones: What is left of removed sessions.
        table: All sessions of the host.
        accepted: What was accepted; tombstones take its place.
        clock: Time.
        changed: Called when sessions are gone.
    """

    def __init__(
        self,
        tombstones: Tombstones,
        *,
        table: SessionTable,
        accepted: AcceptedStarts,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._tombstones = tombstones
        self._table = table
        self._accepted = accepted
        self._clock = clock
        self._changed = changed
        self._removing: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._hidden: set[Path] = set()
        self._unhidden: set[Path] = set()
        self._logger = structlog.get_logger()

    async def remove(self, sessions: Sequence[HostedSession]) -> None:
        """Remove sessions that have ended. Those whose processes still live, or that are being read, stay.

        When this returns the others are gone for good and no longer in the table; their files may still be being
        deleted. A caller that goes away does not cut it off.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT; nothing was removed.
        """
        # Between a caller's choice and its call another one may have removed some of them.
        there = [each for each in sessions if self._table.get(each.id) is each]
        new = [each for each in there if each.id not in self._removing and each.settled is not None]
        waited = {self._removing[each.id] for each in sessions if each.id in self._removing}
        if new:
            task = self._run(self._remove(new))
            waited.add(task)
            for each in new:
                self._removing[each.id] = task
            task.add_done_callback(lambda _: self._done(new))
        for task in waited:
            await asyncio.shield(task)

    def take_over(self, hidden: Collection[Path], unhidden: Collection[Path]) -> None:
        """Take over what an earlier life of the host has left, for the next `go_on`.

        Args:
            hidden: Folders to delete.
            unhidden: Folders of removed sessions that are still to be hidden.
        """
        self._hidden.update(hidden)
        self._unhidden.update(unhidden)

    def go_on(self) -> None:
        """Delete what is still to be deleted, or could not be before."""
        hidden, self._hidden = list(self._hidden), set()
        unhidden, self._unhidden = list(self._unhidden), set()
        if hidden or unhidden:
            self._run(self._put_away(unhidden, hidden))

    async def settled(self) -> None:
        """Wait until nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _remove(self, sessions: Sequence[HostedSession]) -> None:
        unused = await asyncio.to_thread(_unused, sessions)
        now = self._clock.now()
        tombstones = [
            Tombstone.of(each.record, each.settled, each.folder.path, now)
            for each in unused
            if each.settled is not None and not each.is_held
        ]
        await self._tombstones.add(tombstones)
        gone = {each.id for each in tombstones}
        paths = []
        for each in unused:
            if each.id in gone:
                self._table.remove(each)
                self._accepted.remove(each.record)
                paths.append(each.folder.path)
        if paths:
            self._logger.info("sessions_removed", session_ids=sorted(gone))
            self._changed()
            self._run(self._put_away(paths, []))

    async def _put_away(self, paths: Sequence[Path], hidden: Sequence[Path]) -> None:
        """Hide folders, and delete those that are hidden. What fails is tried again later, and at the next start."""
        put_away, failed = await asyncio.to_thread(hide_folders, paths)
        for path, error in failed.items():
            self._logger.warning("folder_not_removed", path=str(path), error=error)
        self._unhidden.update(failed)
        await self._delete([*put_away, *hidden])

    async def _delete(self, hidden: Sequence[Path]) -> None:
        for path in hidden:
            error = await asyncio.to_thread(delete_folder, path)
            if error is not None:
                self._logger.warning("folder_not_removed", path=str(path), error=error)
                self._hidden.add(path)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="removal")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _done(self, sessions: Sequence[HostedSession]) -> None:
        for each in sessions:
            self._removing.pop(each.id, None)


def _unused(sessions: Sequence[HostedSession]) -> list[HostedSession]:
    """Return the sessions behind which no process lives any more, as far as that can be told."""
    return [each for each in sessions if not _is_in_use(each.folder)]


def _is_in_use(folder: SessionFolder) -> bool:
    try:
        return bool(is_alive(folder.alive_lock)) or keeper_lives(folder)
    except OSError:
        return True
