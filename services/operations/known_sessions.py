"""Which sessions of an answer belong to operations that are only in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from services.operations.identifiers import parse_session_id
from services.operations.operation_state import OperationState
from services.operations.store_reader import StoreReader


@dataclass(frozen=True)
class KnownSessions:
    """What the store knows about the sessions it was asked for.

    Attributes:
        asked: Ids of the sessions.
        taken_ids: Ids, among those that the sessions' own ids name, that operations have already.
        abandoned: Sessions of past attempts, and of operations that were deleted.
    """

    asked: frozenset[str] = frozenset()
    taken_ids: frozenset[str] = frozenset()
    abandoned: frozenset[str] = frozenset()
    _operations: Mapping[str, OperationState] = field(default_factory=dict)

    @classmethod
    async def read(cls, reader: StoreReader, host_uid: str, session_ids: Sequence[str]) -> Self:
        """Ask the store.

        Args:
            reader: Questions to the store.
            host_uid: Host that has the sessions.
            session_ids: Their ids.
        """
        if not session_ids:
            return cls()
        named = {
            session_id: attempt.operation_id for session_id in session_ids if (attempt := parse_session_id(session_id))
        }
        async with reader.snapshot() as store:  # or an attempt that is taken back meanwhile would be found nowhere
            of_sessions = await store.sessions(host_uid, session_ids)
            by_id = {state.record.id: state for state in await store.operations(list(named.values()))}
            abandoned = await store.abandoned(host_uid, session_ids)
        operations = {state.record.session_id: state for state in of_sessions}
        for session_id, operation_id in named.items():
            # An operation that was cancelled before any host answered for it has no host yet.
            if (state := by_id.get(operation_id)) and not state.host_uid and state.record.session_id == session_id:
                operations.setdefault(session_id, state)
        return cls(frozenset(session_ids), frozenset(by_id), frozenset(abandoned), operations)

    def operation_of(self, session_id: str) -> OperationState | None:
        """Return the operation of a session, or None if the store has none."""
        return self._operations.get(session_id)
