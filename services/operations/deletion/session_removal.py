"""Remove the sessions of deleted operations from their hosts."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final, Protocol

import structlog
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.abandoned_sessions import forget_abandoned
from services.operations.changes import Changes
from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.followed_host import FollowedHost
from services.operations.group_commit import GroupCommit
from services.operations.host_errors import HostCallError, HostDoesNotAnswer, HostRefuses, SessionUnknown

_AT_ONCE: Final = 50
_LOOK_EVERY_SECONDS: Final = 30.0
_UP: Final = pb.HostRecord.State.STATE_UP
_REASON: Final = "its operation was deleted"


class SessionBin(Protocol):
    """A host that sessions are removed from."""

    async def delete_session(self, session_id: str) -> None:
        """Remove a session that has ended."""

    async def cancel(self, session_id: str, *, reason: str, now: bool) -> object:
        """Ask a session to stop."""


class SessionRemoval:
    """Asks hosts to remove sessions, each host on its own.

    A session is forgotten here when its host says that it has none, or says for the second time that it has removed it:
    an answer that was under way at the first time may still have told of it. Which sessions are to be removed is in the
    store, so that a restart goes on with them.

    Args:
        reader: Questions to the store.
        commits: Stores units.
        hosts: All hosts by name.
        bins: Connections to them by name.
        clock: The time.
        look_every_seconds: Time between two looks at what is left to remove.
    """

    def __init__(
        self,
        reader: DeletionReader,
        commits: GroupCommit,
        hosts: Mapping[str, FollowedHost],
        bins: Mapping[str, SessionBin],
        clock: Clock,
        look_every_seconds: float = _LOOK_EVERY_SECONDS,
    ) -> None:
        self._reader = reader
        self._commits = commits
        self._hosts = hosts
        self._bins = bins
        self._clock = clock
        self._look_every_seconds = look_every_seconds
        self._wake = asyncio.Event()
        self._removed: set[tuple[str, str]] = set()  # once; by host and session
        self._rounds: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look now: there is something to remove, or a host is back."""
        self._wake.set()

    async def run(self) -> None:
        """Remove what is to be removed, until cancelled."""
        while True:
            self._wake.clear()
            try:
                self._begin_rounds(await self._reader.hosts_to_remove_from())
            except Exception:  # the store may fail in many ways, and this work goes on when it is back
                structlog.get_logger().exception("sessions_not_removed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_seconds):
                    await self._wake.wait()

    async def close(self) -> None:
        """End all rounds."""
        tasks = list(self._rounds.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin_rounds(self, host_uids: set[str]) -> None:
        now = self._clock.monotonic()
        for host in self._hosts.values():
            if host.host_uid in host_uids and host.name not in self._rounds and host.state(now) == _UP:
                task = asyncio.create_task(self._round(host), name=f"removal of sessions of {host.name}")
                self._rounds[host.name] = task
                task.add_done_callback(lambda _, name=host.name: self._rounds.pop(name))  # type: ignore[misc]  # no default in the type

    async def _round(self, host: FollowedHost) -> None:
        logger = structlog.get_logger().bind(host=host.name)
        host_uid, after = host.host_uid, ""
        try:
            while sessions := await self._reader.sessions_to_remove(host_uid, after, _AT_ONCE):
                gone = [each for each in sessions if await self._is_gone(host, each)]
                if gone and host.host_uid == host_uid:
                    await self._commits.commit(_Forgotten(host_uid, gone))
                    logger.info("abandoned_sessions_removed", count=len(gone))
                after = sessions[-1]
        except HostCallError as error:
            logger.info("sessions_not_removed", problem=error.problem)
        except ServiceError as error:
            logger.warning("sessions_not_removed", problem=error.message)
        except Exception:
            logger.exception("sessions_not_removed")

    async def _is_gone(self, host: FollowedHost, session_id: str) -> bool:
        """Ask for the removal of a session; tell whether it is sure that its host will tell nothing of it any more."""
        connection, key = self._bins.get(host.name), (host.host_uid, session_id)
        if connection is None:
            raise HostDoesNotAnswer(f"{host.name} is not followed any more.")
        try:
            await connection.delete_session(session_id)
        except SessionUnknown:
            self._removed.discard(key)
            return True
        except HostRefuses:  # it is at work all the same: it was lost, and has come back since
            await connection.cancel(session_id, reason=_REASON, now=False)
            return False
        was_removed = key in self._removed
        self._removed.symmetric_difference_update({key})
        return was_removed


class _Forgotten:
    """The unit that forgets sessions which their host does not have any more."""

    def __init__(self, host_uid: str, session_ids: list[str]) -> None:
        self._host_uid = host_uid
        self._session_ids = session_ids

    def prepare(self, changes: Changes) -> None:
        """Remove their rows."""
        changes.statements.extend(forget_abandoned(self._host_uid, self._session_ids))

    def committed(self) -> None:
        """Nothing follows."""

    def failed(self) -> None:
        """Nothing follows: they are asked for again."""
