"""Delete what is older than is kept, and forget deletions that everybody has heard of."""

import asyncio
from datetime import timedelta
from typing import Final, NamedTuple

import structlog
from sqlalchemy import delete

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.deletion.deletion_unit import DeletionUnit
from services.operations.deletion.tombstones import Deletions
from services.operations.operation_state import microseconds
from services.operations.registry import Registry
from services.operations.schema import deletions
from services.operations.turns import Turns

_AT_ONCE: Final = 50
_PAUSE_SECONDS: Final = 0.05
"""Between two batches: others have to get to the store, too."""
_COMPACTED: Final = "compacted_revision"


class Bounds(NamedTuple):
    """What is kept.

    Attributes:
        age: Operations that ended longer ago are deleted.
        operations: Most operations that have ended.
        tombstones: How long deletions are remembered.
    """

    age: timedelta
    operations: int
    tombstones: timedelta


class Retention:
    """Keeps the store within its bounds. The oldest ends go first; what is at work is never touched.

    Sessions are left to their hosts, which have bounds of their own.

    Args:
        registry: The operations.
        reader: Questions to the store.
        turns: Orders those who change an ended operation.
        clock: The time.
        bounds: What is kept.
        look_every_seconds: Time between two looks.
    """

    def __init__(
        self,
        registry: Registry,
        reader: DeletionReader,
        turns: Turns,
        clock: Clock,
        bounds: Bounds,
        look_every_seconds: float,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._turns = turns
        self._clock = clock
        self._bounds = bounds
        self._look_every_seconds = look_every_seconds

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except ServiceError as error:
                structlog.get_logger().warning("retention_failed", problem=error.message)
            except Exception:
                structlog.get_logger().exception("retention_failed")
            await asyncio.sleep(self._look_every_seconds)

    async def look(self) -> None:
        """Delete what is beyond the bounds now."""
        deleted = 0
        while batch := await self._delete_batch():
            deleted += batch
            await asyncio.sleep(_PAUSE_SECONDS)
        if deleted:
            structlog.get_logger().info("old_operations_deleted", count=deleted)
        await self._compact()

    async def _delete_batch(self) -> int:
        """Delete some of what is too old or too much; return how many there were."""
        oldest = microseconds(self._clock.now() - self._bounds.age)
        doomed = await self._reader.oldest_ended(_AT_ONCE, oldest)
        excess = await self._reader.ended_count() - self._bounds.operations - len(doomed)
        if not doomed and excess > 0:
            doomed = await self._reader.oldest_ended(min(excess, _AT_ONCE))
        async with self._turns.of_all(each.operation_id for each in doomed):
            # Looked at again: one of them may have been tried again, or deleted, before its turn came.
            ended = await self._reader.still_ended(doomed)
            if ended:
                unit = DeletionUnit(self._registry, ended, keep_sessions=True, now=self._clock.now())
                await self._registry.commits.commit(unit)
        return len(doomed)

    async def _compact(self) -> None:
        oldest = microseconds(self._clock.now() - self._bounds.tombstones)
        revision = await self._reader.latest_deletion_before(oldest)
        if revision > self._registry.deleted.compacted:
            await self._registry.commits.commit(_Compaction(self._registry.deleted, revision))
            structlog.get_logger().info("deletions_compacted", revision=revision)


class _Compaction:
    """The unit that forgets deletions: who has read less must begin anew."""

    def __init__(self, deleted: Deletions, revision: int) -> None:
        self._deleted = deleted
        self._revision = revision

    def prepare(self, changes: Changes) -> None:
        """Add the removal and the revision that it goes up to."""
        changes.statements.append(delete(deletions).where(deletions.c.revision <= self._revision))
        changes.counters[_COMPACTED] = self._revision

    def committed(self) -> None:
        """Let watches know how far they may go back."""
        self._deleted.compact(self._revision)

    def failed(self) -> None:
        """Nothing follows."""
