"""Answer for sessions that are gone, and let go of sessions on request."""

from datetime import datetime
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from services.host.retention.removal import Removal
from services.host.retention.tombstones import Tombstones
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.start_request import StartRequest

_PREFIX: Final = "STATE_"


class PastSessions:
    """What a host still knows of sessions whose folders were removed.

    Args:
        table: The sessions that have folders.
        tombstones: What is left of the others.
        removal: Removes sessions.
    """

    def __init__(self, table: SessionTable, tombstones: Tombstones, removal: Removal) -> None:
        self._table = table
        self._tombstones = tombstones
        self._removal = removal

    async def get(self, session_id: str) -> Session:
        """Return a removed session as it ended, with `removed` set.

        Raises:
            ServiceError: SESSION_NOT_FOUND.
        """
        tombstone = await self._tombstones.get(session_id)
        if tombstone is None:
            raise ServiceError(ErrorReason.ERROR_REASON_SESSION_NOT_FOUND, session_id=session_id)
        return tombstone.message()

    async def find(self, request: StartRequest, now: datetime) -> Session | None:
        """Return the removed session that the same request to start was answered with before.

        Raises:
            ServiceError: REQUEST_ID_REUSED or SESSION_EXISTS, where the id was used with another body.
        """
        if not (request.session_id or request.request_id):
            return None
        tombstone = await self._tombstones.find(request, now)
        return None if tombstone is None else tombstone.message()

    async def delete(self, session_id: str) -> Session:
        """Remove a session that has ended, whoever has read it or not, and return what is kept. Idempotent.

        Raises:
            ServiceError: SESSION_NOT_FOUND; WRONG_STATE while it has not ended, or is in use; STORAGE_FULL.
        """
        session = self._table.get(session_id)
        if session is not None:
            if session.settled is None:
                raise _not_now(session, f"Cancel {session_id!r} first, with HostService.CancelSession.")
            await self._removal.remove([session])
            if session_id in self._table:
                raise _not_now(
                    session, f"A process still uses the folder of {session_id!r}; try again when it has ended."
                )
        return await self.get(session_id)


def _not_now(session: HostedSession, detail: str) -> ServiceError:
    state = Session.State.Name(session.state).removeprefix(_PREFIX)
    return ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state=state, detail=detail)
