"""Make sessions that processes of their own have opened sessions of the host."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import structlog

from services.host.attached.scan import KnownSession, NewSession, write_down
from services.host.host_identity import HostIdentity
from services.host.records import SessionRecord
from services.host.session import HostedSession
from services.host.sessions import Sessions

_OTHER_ID: Final = "{id}.attached-{number}"
_ID_CHARACTERS: Final = 48
"""Of an id that is taken; with what makes it another one it stays within the limit of 64."""


class Adoption:
    """Gives sessions their place among the host's.

    Args:
        kind: Kind of work.
        sessions: The host's sessions.
        removed: Returns those of some ids that sessions had which were removed.
        identity: Takes notice of finish numbers that were given in an earlier life.
    """

    def __init__(
        self,
        kind: str,
        *,
        sessions: Sessions,
        removed: Callable[[Collection[str]], Awaitable[Collection[str]]],
        identity: HostIdentity,
    ) -> None:
        self._kind = kind
        self._sessions = sessions
        self._removed = removed
        self._identity = identity
        self._logger = structlog.get_logger()

    async def still_there(self, found: Sequence[KnownSession]) -> list[KnownSession]:
        """Return the sessions that the host does not have yet and that were not removed."""
        by_id = {each.stored.record.id: each for each in found}
        removed = await self._removed(list(by_id)) if by_id else ()
        return [each for name, each in by_id.items() if name not in removed and not self._sessions.has(name)]

    async def write_down(self, found: NewSession) -> KnownSession:
        """Make a new session known, durably.

        Raises:
            OSError: It cannot be written.
        """
        opened = found.opened
        record = SessionRecord(
            id=await self._free_id(opened.id),
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
        known = await asyncio.to_thread(write_down, found, record)
        self._logger.info("attached_session_found", session_id=record.id, name=record.display_name)
        return known

    def attach(self, known: KnownSession) -> HostedSession:
        """Make a session one of the host's."""
        if known.stored.settled is not None:
            self._identity.note_finish_number(known.stored.settled.finish_number)
        return self._sessions.attach(known.stored)

    async def _free_id(self, session_id: str) -> str:
        """Return the id, or one made from it where a session of the host has that id, or had it."""
        for number in itertools.count(1):
            if not self._sessions.has(session_id) and not await self._removed([session_id]):
                break
            session_id = _OTHER_ID.format(id=session_id.partition(".attached-")[0][:_ID_CHARACTERS], number=number)
        return session_id
