"""The unit that deletes operations."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import update

from services.operations.change_index import ChangeIndex
from services.operations.changes import Changes
from services.operations.deletion.tombstones import Deletions, Tombstone
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import microseconds
from services.operations.revisions import Revisions
from services.operations.schema import abandoned_sessions


class Doomed(NamedTuple):
    """An operation that has ended, as far as its deletion needs to know it."""

    operation_id: str
    host_uid: str
    host: str
    session_id: str


class Graveyard(Protocol):
    """The part of the registry that a deletion works on."""

    revisions: Revisions
    index: ChangeIndex
    live: dict[str, LiveOperation]
    deleted: Deletions


class DeletionUnit:
    """Removes operations with everything that belongs to them, and keeps a tombstone of each.

    The sessions of all their attempts become abandoned: they are not found again, and, unless they are to be kept, are
    removed from their hosts as soon as these answer. For use in the turns of the operations.

    Args:
        shelf: Where operations are.
        doomed: The operations. Those that are at work by the time of the transaction stay.
        keep_sessions: Leave the sessions on their hosts.
        now: Time of the deletion, UTC.
    """

    def __init__(self, shelf: Graveyard, doomed: Sequence[Doomed], *, keep_sessions: bool, now: datetime) -> None:
        self._shelf = shelf
        self._doomed = doomed
        self._keep_sessions = keep_sessions
        self._now = now
        self._tombstones: list[Tombstone] = []

    def prepare(self, changes: Changes) -> None:
        """Add the removals and the tombstones."""
        deleted_us = microseconds(self._now)
        for doomed in self._doomed:
            if doomed.operation_id in self._shelf.live:
                continue
            tombstone = Tombstone(doomed.operation_id, self._shelf.revisions.hold())
            self._tombstones.append(tombstone)
            changes.removed_operations.append(doomed.operation_id)
            changes.deletions.append({**tombstone._asdict(), "deleted_us": deleted_us})
            if doomed.host_uid and doomed.session_id:
                changes.abandoned_sessions.append(
                    {
                        "host_uid": doomed.host_uid,
                        "session_id": doomed.session_id,
                        "operation_id": doomed.operation_id,
                        "host": doomed.host,
                        "keep": self._keep_sessions,
                    }
                )
        if not self._keep_sessions and self._tombstones:
            # The sessions of attempts before were kept until now for the sake of the operation.
            table, ids = abandoned_sessions, [tombstone.operation_id for tombstone in self._tombstones]
            changes.statements.append(update(table).where(table.c.operation_id.in_(ids)).values(keep=False))

    def committed(self) -> None:
        """Let all watches know."""
        for tombstone in self._tombstones:
            self._shelf.index.forget(tombstone.operation_id)
        self._shelf.deleted.add(self._tombstones)
        self._release()

    def failed(self) -> None:
        """Forget the deletion."""
        self._release()

    def _release(self) -> None:
        for tombstone in self._tombstones:
            self._shelf.revisions.release(tombstone.revision)
        self._shelf.index.notify()
