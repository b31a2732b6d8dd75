"""What deletions and retention ask the store."""

from collections.abc import Sequence
from itertools import product
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import func, select, text

from services.operations.deletion.deletion_unit import Doomed
from services.operations.operation_state import ENDED
from services.operations.schema import abandoned_sessions, deletions, operations, totals
from services.operations.store_reader import StoreReader

_ENDED: Final = text("terminal")
"""The condition as the indexes of ended operations have it: another wording of it does not use them."""
_PARTS: Final = tuple(product(sorted(ENDED), pb.OperationType.values()))


class DeletionReader:
    """Questions about what was deleted, and what is to be.

    Args:
        reader: Questions to the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    async def is_deleted(self, operation_id: str) -> bool:
        """Tell whether there is a tombstone of an operation."""
        table = deletions
        return bool(await self._reader.rows(select(table.c.revision).where(table.c.operation_id == operation_id)))

    async def hosts_to_remove_from(self) -> set[str]:
        """Return the identities of hosts that have sessions to remove: of thousands of hosts these are few."""
        table = abandoned_sessions
        rows = await self._reader.rows(select(table.c.host_uid).where(table.c.keep.is_(False)).distinct())
        return {row["host_uid"] for row in rows}

    async def sessions_to_remove(self, host_uid: str, after: str, limit: int) -> list[str]:
        """Return sessions that a host is to remove, by id.

        Args:
            host_uid: Identity of the host.
            after: Only those with a higher id.
            limit: Most sessions.
        """
        table = abandoned_sessions
        query = select(table.c.session_id).where(
            table.c.host_uid == host_uid, table.c.session_id > after, table.c.keep.is_(False)
        )
        rows = await self._reader.rows(query.order_by(table.c.session_id).limit(limit))
        return [row["session_id"] for row in rows]

    async def ended_count(self) -> int:
        """Return how many operations have ended."""
        rows = await self._reader.rows(select(func.coalesce(func.sum(totals.c.operations), 0).label("count")))
        return int(rows[0]["count"])

    async def oldest_ended(self, limit: int, before_us: int | None = None) -> list[Doomed]:
        """Return those that ended first, oldest first.

        Args:
            limit: Most of them.
            before_us: Only those that ended before, in microseconds since the Unix epoch; None for any.
        """
        found: list[tuple[int, Doomed]] = []
        table = operations
        # The index of ends is ordered within each state and type, so each of them is asked for its oldest.
        for state, kind in _PARTS:
            query = select(table.c.id, table.c.host_uid, table.c.host, table.c.session_id, table.c.ended_us).where(
                _ENDED, table.c.state == state, table.c.type == kind
            )
            if before_us is not None:
                query = query.where(table.c.ended_us < before_us)
            rows = await self._reader.rows(query.order_by(table.c.ended_us).limit(limit))
            found += [
                (row["ended_us"], Doomed(row["id"], row["host_uid"], row["host"], row["session_id"])) for row in rows
            ]
        return [doomed for _, doomed in sorted(found)[:limit]]

    async def still_ended(self, doomed: Sequence[Doomed]) -> list[Doomed]:
        """Return those that are in the store and at the same attempt, which has ended."""
        table = operations
        query = select(table.c.id, table.c.session_id).where(
            table.c.id.in_([each.operation_id for each in doomed]), _ENDED
        )
        there = {(row["id"], row["session_id"]) for row in await self._reader.rows(query)} if doomed else set()
        return [each for each in doomed if (each.operation_id, each.session_id) in there]

    async def latest_deletion_before(self, before_us: int) -> int:
        """Return the highest revision of the deletions that are older than this; 0 if there are none."""
        table = deletions
        query = select(func.coalesce(func.max(table.c.revision), 0).label("revision"))
        rows = await self._reader.rows(query.where(table.c.deleted_us < before_us))
        return int(rows[0]["revision"])
