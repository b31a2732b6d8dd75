"""Connections for long questions to the store: plain ones, each used in one thread at a time."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from services.operations.store_errors import store_error

Result = TypeVar("Result")

_CONNECTIONS: Final = 2
_CACHE_KIB: Final = 16_384


class Snapshot:
    """The store as it was at one moment.

    Args:
        connection: Within a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._asked = 0

    @property
    def is_idle(self) -> bool:
        """No question is being answered: one whose asker was cancelled still is for a moment."""
        return self._asked == 0

    async def ask(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what `question` answers, in a thread."""
        self._asked += 1
        return await asyncio.to_thread(self._answer, question)

    def _answer(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return question(self._connection)
        finally:
            self._asked -= 1


class Snapshots:
    """Gives snapshots, a few at a time.

    Args:
        path: The store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._free = asyncio.Semaphore(_CONNECTIONS)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Snapshot]:
        """Give a snapshot. What its first question sees is what all of its questions see."""
        async with self._free:
            connection = self._idle.pop() if self._idle else await asyncio.to_thread(self._connect)
            connection.execute("BEGIN")
            snapshot = Snapshot(connection)
            try:
                yield snapshot
            except sqlite3.Error as error:
                raise store_error(self._path, error) from error
            finally:
                if snapshot.is_idle:
                    connection.execute("ROLLBACK")
                    self._idle.append(connection)
                else:
                    connection.interrupt()  # whoever asked is gone; the connection closes itself with the last use

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{self._path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10.0
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return connection
