"""One change at a time of an operation that has ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager


class Turns:
    """Lets those who retry, change or delete the same ended operation come one after the other.

    What is at work has its order from the registry. What has ended is only a row in the store, so whoever looks at it
    and then changes it must be sure that nobody else has changed it in between. A turn lasts for one transaction, and
    is never held while a host is asked.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, operation_id: str) -> AsyncIterator[None]:
        """Be the only one for an operation while the block runs."""
        self._users[operation_id] += 1
        lock = self._locks.setdefault(operation_id, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            self._users[operation_id] -= 1
            if not self._users[operation_id]:
                del self._users[operation_id], self._locks[operation_id]

    @asynccontextmanager
    async def of_all(self, operation_ids: Iterable[str]) -> AsyncIterator[None]:
        """Be the only one for several operations while the block runs."""
        async with AsyncExitStack() as stack:
            # In one order for everybody, so that two cannot wait for each other.
            for operation_id in sorted(set(operation_ids)):
                await stack.enter_async_context(self.of(operation_id))
            yield
