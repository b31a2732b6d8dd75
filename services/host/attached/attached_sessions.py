"""Serve the sessions that processes of their own open on this machine, as sessions of this host."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Awaitable, Callable, Collection
from contextvars import Context
from pathlib import Path
from typing import Final

import structlog

from services.common.clock import Clock
from services.common.files import FolderLock, write_atomically
from services.common.startup import CannotStartError
from services.host.attached.follower import Follower
from services.host.attached.records import AttachedRecord
from services.host.attached.scan import OpenedSession, scan
from services.host.host_identity import HostIdentity
from services.host.records import SessionRecord
from services.host.session import HostedSession
from services.host.sessions import Sessions
from services.host.settlement import Settlement

_RACY_SECONDS: Final = 0.1
"""A folder's time is no finer than a few milliseconds: what changed within them is looked for once more."""
_RETRY_SECONDS: Final = 2.0


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
        self._kind = kind
        self._sessions = sessions
        self._removed = removed
        self._identity = identity
        self._settle = settle
        self._changed = changed
        self._clock = clock
        self._lock = FolderLock(root / "host.lock", owner=owner)
        self._serving = False
        self._known: set[str] = set()
        self._followers: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._scanning: asyncio.Task[None] | None = None
        self._seen_time = 0
        self._again_at = 0.0
        self._logger = structlog.get_logger()

    @property
    def count(self) -> int:
        """Sessions that have not ended."""
        return len(self._followers)

    async def start(self) -> None:
        """Take the folder and find what is there. A folder that cannot be had is logged, and nothing is served."""
        try:
            await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
            self._lock.acquire()
        except (CannotStartError, OSError) as error:
            self._logger.warning("attached_sessions_not_served", folder=str(self._root), error=str(error))
            return
        self._serving = True
        await self._scan()

    def look(self) -> None:
        """Look for news in the background, if the folder has changed. Takes microseconds."""
        if not self._serving or self._scanning is not None:
            return
        if self._time() != self._seen_time or self._clock.monotonic() >= self._again_at:
            # In a context of its own: what happens from here on does not belong to the call that asked.
            self._scanning = asyncio.create_task(self._scan(), name="attached-sessions", context=Context())

    async def refresh(self) -> None:
        """Look for news, and return when they have been taken in."""
        self.look()
        if self._scanning is not None:
            await asyncio.shield(self._scanning)

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
        try:
            self._seen_time = self._time()
            recent = self._clock.now().timestamp() - self._seen_time / 1e9 < _RACY_SECONDS
            whole = await self._take_in()
            pause = _RACY_SECONDS if recent else float("inf")
            self._again_at = self._clock.monotonic() + (pause if whole else _RETRY_SECONDS)
        except OSError as error:
            self._logger.warning("attached_sessions_not_seen", folder=str(self._root), error=str(error))
            self._again_at = self._clock.monotonic() + _RETRY_SECONDS
        finally:
            self._scanning = None

    async def _take_in(self) -> bool:
        """Take in what a scan finds. Returns whether all of it could be."""
        found = await asyncio.to_thread(scan, self._root, known=self._known, live=set(self._followers))
        self._known &= found.names
        self._known.update(found.unusable)
        for name in found.ended & self._followers.keys():
            self._followers[name][0].nudge()
        known, new = _apart(found.opened)
        taken = [await self._take(each) for each in known + new]
        if taken:
            self._changed()
        return all(taken)

    async def _take(self, found: OpenedSession) -> bool:
        """Make a session that was found one of the host's."""
        record = found.record
        if record is None:
            record = self._record(found, await self._free_id(found.folder.id))
            try:
                await asyncio.to_thread(write_atomically, found.folder.session_record, record.to_bytes())
            except OSError as error:
                self._logger.warning("attached_session_not_taken", path=str(found.folder.path), error=str(error))
                return False
            self._logger.info("attached_session_found", session_id=record.id, name=record.display_name)
        stored = await asyncio.to_thread(found.stored, record)
        self._known.add(found.folder.id)
        if self._sessions.has(record.id) or await self._removed([record.id]):
            return True  # it was removed, and its folder could not be
        if stored.settled is not None:
            self._identity.note_finish_number(stored.settled.finish_number)
        session = self._sessions.attach(stored)
        if session.settled is None:
            self._follow(session, found.opened)
        return True

    def _record(self, found: OpenedSession, session_id: str) -> SessionRecord:
        opened = found.opened
        assert opened is not None  # `scan` finds no new session without it
        return SessionRecord(
            id=session_id,
            number=self._sessions.take_number(),
            kind=self._kind,
            attempt=1,
            labels=opened.labels,
            request_id="",
            body_sha256="",
            create_time=opened.create_time,
            spec_type_url="",
            spec=b"",
            display_name=opened.display_name,
            attached=True,
        )

    async def _free_id(self, session_id: str) -> str:
        """Return the id, or one made from it where a session of the host has that id, or had it."""
        names = (f"{session_id[:50]}.attached-{number}" for number in itertools.count(1))
        for each in itertools.chain([session_id], names):
            if not self._sessions.has(each) and not await self._removed([each]):
                return each
        raise AssertionError("there is no end of names")

    def _follow(self, session: HostedSession, opened: AttachedRecord | None) -> None:
        follower = Follower(session, opened, settle=self._settle, changed=self._changed, clock=self._clock)
        name = session.folder.id
        task = asyncio.create_task(follower.follow(), name=f"attached-{name}")
        self._followers[name] = (follower, task)
        task.add_done_callback(lambda _: self._followers.pop(name))

    def _time(self) -> int:
        """Return when the folder last changed; 0 where that cannot be told."""
        with contextlib.suppress(OSError):
            return os.stat(self._root).st_mtime_ns  # noqa: PTH116 - asked a hundred times a second
        return 0


def _apart(found: Collection[OpenedSession]) -> tuple[list[OpenedSession], list[OpenedSession]]:
    """Return what the host knew in an earlier life, in its order, and what is new, in the order it was opened."""
    known = [(each.record.number, each) for each in found if each.record is not None]
    new = [(each.opened.create_time, each) for each in found if each.record is None and each.opened is not None]
    return [each for _, each in sorted(known, key=lambda pair: pair[0])], [
        each for _, each in sorted(new, key=lambda pair: pair[0])
    ]
