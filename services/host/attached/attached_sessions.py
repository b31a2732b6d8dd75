"""Serve the sessions that processes of their own open on this machine, as sessions of this host."""

import asyncio
import contextlib
import math
import os
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextvars import Context
from pathlib import Path
from typing import Final

import structlog

from services.common.clock import Clock
from services.common.files import FolderInUseError, FolderLock
from services.host.attached.adoption import Adoption
from services.host.attached.follower import Follower
from services.host.attached.scan import KnownSession, Mark, NewSession, Scan, scan
from services.host.host_identity import HostIdentity
from services.host.session import HostedSession
from services.host.sessions import Sessions
from services.host.settlement import Settlement

_RACY_SECONDS: Final = 0.1
"""A folder's time is no finer than a few milliseconds: what changed within them is looked for once more."""
_RETRY_SECONDS: Final = 2.0
_REFRESH_SECONDS: Final = 1.0


class _NoFolderError(Exception):
    """There is no folder, so there are no sessions, and none can be made."""


class AttachedSessions:
    """Finds sessions in the folder where processes open them, and follows each until it ends.

    Nothing is done while nothing happens: the folder's time tells of news, and is looked at when somebody asks the host
    for news; the system tells when a process ends. One host serves a folder; a second one leaves it alone.

    Args:
        root: The folder: `<home>/local/<kind>`.
        kind: Kind of work.
        owner: Name of this host, for others that want the folder.
        sessions: The host's sessions, which they become part of.
        removed: Returns those of some ids that sessions had which were removed.
        identity: Takes notice of finish numbers that were given in an earlier life.
        settle: Gives a session its final state.
        changed: Called after each change of any session.
        clock: Time.
    """

    def __init__(
        self,
        root: Path,
        *,
        kind: str,
        owner: str,
        sessions: Sessions,
        removed: Callable[[Collection[str]], Awaitable[Collection[str]]],
        identity: HostIdentity,
        settle: Callable[[HostedSession, Settlement], Awaitable[None]],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._root = root
        self._path = os.fspath(root)
        self._adoption = Adoption(kind, sessions=sessions, removed=removed, identity=identity)
        self._settle = settle
        self._changed = changed
        self._clock = clock
        self._lock = FolderLock(root / "host.lock", owner=owner)
        self._serving = False
        self._seen: dict[str, Mark] = {}
        self._followers: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._scanning: asyncio.Task[None] | None = None
        self._seen_time = 0
        self._recent = False
        self._again_at = 0.0
        self._logger = structlog.get_logger()

    @property
    def count(self) -> int:
        """Sessions that have not ended."""
        return len(self._followers)

    async def start(self) -> None:
        """Take the folder, and find again what an earlier life of the host has known; what is new follows.

        A folder that another host serves, or that is not there and cannot be made, is logged and left alone.

        Raises:
            OSError: The folder is there and cannot be used. To go on would tell readers that its sessions are gone.
        """
        try:
            await asyncio.to_thread(self._make_folder)
            self._lock.acquire()
        except (FolderInUseError, _NoFolderError) as error:
            self._logger.warning("attached_sessions_not_served", folder=self._path, error=str(error))
            return
        found = await asyncio.to_thread(scan, self._root, seen={}, live=())
        await self._take_known(found)
        self._serving = True
        self.look()

    def look(self) -> None:
        """Look for news in the background, if the folder has changed. Takes microseconds."""
        if not self._serving or self._scanning is not None:
            return
        if self._time() != self._seen_time or self._clock.monotonic() >= self._again_at:
            # In a context of its own: what happens from here on does not belong to the call that asked.
            self._scanning = asyncio.create_task(self._scan(), name="attached-sessions", context=Context())

    async def refresh(self) -> None:
        """Look for news, and return when all that is there now has been taken in, or after a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                if self._scanning is not None:
                    # It began before this call, and may have passed by what has come since.
                    await asyncio.wait([self._scanning])
                if self._recent:
                    self._again_at = 0.0
                self.look()
                if self._scanning is not None:
                    await asyncio.wait([self._scanning])

    async def stop(self) -> None:
        """Let go of everything: the processes go on, and the next start of the host finds them again."""
        self._serving = False
        tasks = [task for _, task in self._followers.values()]
        tasks += [self._scanning] if self._scanning is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lock.release()

    async def _scan(self) -> None:
        whole, self._recent = False, False
        try:
            self._seen_time = self._time()
            self._recent = self._clock.now().timestamp() - self._seen_time / 1e9 < _RACY_SECONDS
            whole = await self._look_through()
        except OSError as error:
            self._logger.warning("attached_sessions_not_seen", folder=self._path, error=str(error))
        except Exception:
            self._logger.exception("attached_sessions_not_seen", folder=self._path)
        finally:
            pause = _RACY_SECONDS if self._recent else math.inf
            self._again_at = self._clock.monotonic() + (pause if whole else _RETRY_SECONDS)
            self._scanning = None

    async def _look_through(self) -> bool:
        """Take in what a scan finds. Returns whether all of it could be."""
        found = await asyncio.to_thread(scan, self._root, seen=self._seen, live=self._live_folders())
        self._seen = {name: mark for name, mark in self._seen.items() if found.marks.get(name) == mark}
        self._note(found, found.unusable)
        for follower, _ in self._followers.values():
            if follower.folder.id in found.ended:
                follower.nudge()
        await self._take_known(found)
        taken = [await self._take_new(each) for each in found.new]
        self._note(found, [each.folder.id for each, done in zip(found.new, taken, strict=True) if done])
        return all(taken)

    async def _take_known(self, found: Scan) -> None:
        for each in await self._adoption.still_there(found.known):
            self._attach(each)
        self._note(found, [each.stored.folder.id for each in found.known])

    def _note(self, found: Scan, names: Iterable[str]) -> None:
        """Do not look into these folders again."""
        self._seen.update((name, found.marks[name]) for name in names)

    async def _take_new(self, found: NewSession) -> bool:
        try:
            self._attach(await self._adoption.write_down(found))
        except OSError as error:
            self._logger.warning("attached_session_not_taken", path=str(found.folder.path), error=str(error))
            return False
        return True

    def _attach(self, known: KnownSession) -> None:
        session = self._adoption.attach(known)
        if session.settled is None:
            follower = Follower(session, known.opened, settle=self._settle, changed=self._changed, clock=self._clock)
            task = asyncio.create_task(follower.follow(), name=f"attached-{session.id}")
            self._followers[session.id] = (follower, task)
            task.add_done_callback(lambda _: self._followers.pop(session.id))
        self._changed()

    def _live_folders(self) -> set[str]:
        return {follower.folder.id for follower, _ in self._followers.values()}

    def _make_folder(self) -> None:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _NoFolderError(str(error)) from error

    def _time(self) -> int:
        """Return when the folder last changed; 0 where that cannot be told."""
        try:
            return os.stat(self._path).st_mtime_ns  # noqa: PTH116 - asked a hundred times a second
        except OSError:
            return 0
