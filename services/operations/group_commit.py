"""One transaction for everything that waits to be stored."""

import asyncio
from collections import deque
from typing import Final, Protocol

from services.operations.changes import Changes

_ENOUGH_ROWS: Final = 200
"""Units that come on top of so many rows wait for the next transaction: all rows are put together in one go."""


class Unit(Protocol):
    """Something that is stored as a whole."""

    def prepare(self, changes: Changes) -> None:
        """Add the rows. Called when the transaction begins."""

    def committed(self) -> None:
        """Take note that the rows are durable."""

    def failed(self) -> None:
        """Take note that the rows were not stored; `prepare` may or may not have been called."""


class Writer(Protocol):
    """Where transactions are written."""

    async def write(self, changes: Changes) -> None:
        """Write everything, or nothing."""


class GroupCommit:
    """Stores units. Those that arrive while a transaction is running share the next one.

    Args:
        store: Where to.
    """

    def __init__(self, store: Writer) -> None:
        self._store = store
        self._waiting: deque[tuple[Unit, asyncio.Future[None]]] = deque()
        self._open: set[asyncio.Future[None]] = set()
        self._running: asyncio.Task[None] | None = None

    async def commit(self, unit: Unit) -> None:
        """Store a unit. It is stored all the same when the caller is cancelled meanwhile.

        Raises:
            ServiceError: It could not be stored, and `unit.failed` was called.
        """
        await asyncio.shield(self.add(unit))

    def add(self, unit: Unit) -> asyncio.Future[None]:
        """Let a unit be stored; the future is done when it is, or has an exception when it could not be."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open.add(done)
        self._waiting.append((unit, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="commit")
        return done

    async def settled(self) -> None:
        """Wait until everything that was given so far is stored, or has failed."""
        if self._open:
            await asyncio.wait(set(self._open))

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._write_some()
        finally:
            self._running = None

    async def _write_some(self) -> None:
        batch: list[tuple[Unit, asyncio.Future[None]]] = []
        changes = Changes()
        try:
            while self._waiting and changes.size < _ENOUGH_ROWS:
                batch.append(self._waiting.popleft())
                batch[-1][0].prepare(changes)
            await self._store.write(changes)
        except Exception as error:
            for unit, done in batch:
                unit.failed()
                self._settle(done, error)
            return
        for take_note in changes.when_stored:
            take_note()
        for unit, done in batch:
            unit.committed()
            self._settle(done, None)

    def _settle(self, done: asyncio.Future[None], error: Exception | None) -> None:
        self._open.discard(done)
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
            done.exception()  # its waiter may be gone, and then nobody else would ask
