"""Which journals may have something to merge."""

import asyncio

from services.operations.history.merging.blocks import JournalKey
from services.operations.history.merging.plan import ENOUGH_BLOCKS
from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints


class WaitingJournals:
    """Counts the blocks that come, and remembers the journals that have enough of them or have ended."""

    def __init__(self) -> None:
        self._counts: dict[JournalKey, int] = {}
        self._ready: dict[JournalKey, None] = {}  # in order
        self._news = asyncio.Event()

    def points_came(self, operation: LiveOperation, points: NewPoints, _revision: int) -> None:
        """Take note of points. Those that come before others are stored go into the same block."""
        if len(operation.shown_points) > 1:
            return
        key = JournalKey(operation.id, operation.attempt, points.incarnation)
        count = self._counts.get(key, 0) + 1
        if count < ENOUGH_BLOCKS:
            self._counts[key] = count
        else:
            self._counts.pop(key, None)
            self.add(key)

    def ended(self, operation: LiveOperation) -> None:
        """Take note that the journals of an operation grow no more."""
        for incarnation in operation.positions.next_seq:
            key = JournalKey(operation.id, operation.record.attempt, incarnation)
            self._counts.pop(key, None)
            self.add(key)

    def add(self, key: JournalKey) -> None:
        """Remember a journal."""
        self._ready[key] = None
        self._news.set()

    def take(self) -> JournalKey | None:
        """Return the one that has waited longest, None if none does."""
        key = next(iter(self._ready), None)
        if key is None:
            self._news.clear()
        else:
            del self._ready[key]
        return key

    async def wait(self) -> None:
        """Wait until there is one."""
        await self._news.wait()
