"""The durable side of the registry: one SQLite file.

WAL with `synchronous=FULL`: a transaction that was answered survives a power cut, and readers never wait for the
writer.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Table, delete, event, or_, select, tuple_
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.common.errors import ServiceError
from services.operations import schema
from services.operations.changes import Changes, Row
from services.operations.lists.snapshots import Snapshots
from services.operations.store_check import LongCheck
from services.operations.store_connection import connected
from services.operations.store_errors import store_error
from services.operations.store_file import prepare_file
from services.operations.store_reader import StoreReader

_READERS: Final = 4
_LOCK_WAIT_SECONDS: Final = 10.0
_REVISION_LIMIT: Final = "revision_limit"
_READER_NUMBER: Final = "reader_number"
_ROWS_AT_ONCE: Final = 512
_KEPT_STATEMENTS: Final = 200


class Store:
    """Writes transactions; `read` reads, and `ended` gives snapshots for lists.

    Args:
        path: The file.
        engine: Its connections.
    """

    def __init__(self, path: Path, engine: AsyncEngine) -> None:
        self._path = path
        self._engine = engine
        self.read = StoreReader(engine)
        self.ended = Snapshots(path)
        self._writing = asyncio.Lock()
        self._check: asyncio.Task[None] | None = None
        self._long_check = LongCheck(path)

    @classmethod
    async def open(cls, path: Path, *, lock_wait_seconds: float = _LOCK_WAIT_SECONDS) -> Self:
        """Open the store, and create it if there is none.

        Args:
            path: The file.
            lock_wait_seconds: How long a write waits for another program that locks the file.

        Raises:
            CannotStartError: The file is damaged, is something else, is newer than this software, or cannot be written.
                The message names it and says what to do.
        """
        whole_checked = await asyncio.to_thread(prepare_file, path)
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=_READERS + 1, max_overflow=0)
        event.listen(engine.sync_engine, "connect", _set_up(lock_wait_seconds))
        store = cls(path, engine)
        if not whole_checked:
            store._check = asyncio.create_task(asyncio.to_thread(store._long_check.run), name="store check")
        return store

    async def close(self) -> None:
        """Close all connections."""
        self._long_check.stop()
        if self._check is not None:
            await self._check
        self.ended.close()
        await self._engine.dispose()

    async def reader_id(self) -> str:
        """Return the name by which hosts know this store as a reader of theirs: it holds as long as the file does.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT.
        """
        table = schema.counters
        new = sqlite.insert(table).values(name=_READER_NUMBER, value=secrets.randbits(62)).on_conflict_do_nothing()
        try:
            async with connected(self._engine) as connection, connection.begin():
                await connection.execute(new)
                number = await connection.scalar(select(table.c.value).where(table.c.name == _READER_NUMBER))
        except DBAPIError as error:
            raise self._translated(error) from error
        return f"operations-{number:016x}"

    async def write(self, changes: Changes) -> None:
        """Write everything in one transaction, or nothing.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT.
        """
        # One after the other: SQLite would let the next one wait for a time only, and then call the file locked.
        try:
            async with self._writing, connected(self._engine) as connection, connection.begin():
                await _write(connection, changes)
        except DBAPIError as error:
            raise self._translated(error) from error

    def _translated(self, error: DBAPIError) -> ServiceError:
        return store_error(self._path, error.orig)


async def _write(connection: AsyncConnection, changes: Changes) -> None:
    if changes.requests_expired_us is not None:
        table = schema.requests
        await connection.execute(delete(table).where(table.c.expires_us < changes.requests_expired_us))
    await _replace(connection, schema.operations, changes.operations)
    await _replace(connection, schema.specs, changes.specs)
    if changes.removed_labels:
        keys = tuple_(schema.labels.c.operation_id, schema.labels.c.key)
        await connection.execute(delete(schema.labels).where(keys.in_(changes.removed_labels)))
    await _replace(connection, schema.labels, changes.labels)
    await _replace(connection, schema.requests, changes.requests)
    await _replace(connection, schema.journals, changes.journals)
    if changes.removed_hosts:
        await connection.execute(delete(schema.hosts).where(schema.hosts.c.name.in_(changes.removed_hosts)))
    await _replace(connection, schema.hosts, changes.hosts)
    await _replace(connection, schema.dataset_uses, changes.dataset_uses)
    await _replace(connection, schema.dataset_versions, changes.dataset_versions)
    await _replace(connection, schema.deletions, changes.deletions)
    await _replace(connection, schema.abandoned_sessions, changes.abandoned_sessions)
    await _replace(connection, schema.metric_blocks, changes.metric_blocks)
    if changes.removed_operations:
        # After the rows: what the same transaction still writes of them goes too.
        table = schema.operations
        await connection.execute(delete(table).where(table.c.id.in_(changes.removed_operations)))
    for statement in changes.statements:
        await connection.execute(statement)
    counters = dict(changes.counters)
    if changes.revision_limit is not None:
        counters[_REVISION_LIMIT] = changes.revision_limit
    await _replace(connection, schema.counters, [{"name": name, "value": counters[name]} for name in counters])


async def _replace(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; where the key is taken, update the row: of an operation that has ended only for a new attempt."""
    # Each statement lets go of the interpreter's lock, and has to wait for it again beside a busy event loop: so many
    # rows go into one.
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        text, values_of = _replacing(table, len(some))
        await connection.exec_driver_sql(text, tuple(chain.from_iterable(map(values_of, some))))


@lru_cache(maxsize=_KEPT_STATEMENTS)
def _replacing(table: Table, count: int) -> tuple[str, Callable[[Row], tuple[object, ...]]]:
    """Return the text of the statement that replaces `count` rows, and what takes its values out of a row.

    Statements are made into text once: there are thousands of rows a second, and what an expression costs for each is
    several times what the row costs.
    """
    statement = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    open_rows = None
    if table is schema.operations:
        open_rows = or_(table.c.terminal.is_(False), table.c.attempt < statement.excluded.attempt)
    if table is schema.metric_blocks:  # the same points, and some more
        open_rows = table.c.last_seq <= statement.excluded.last_seq
    if not changed:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    else:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed, where=open_rows)
    one_row = f"({', '.join('?' * len(table.columns))})"
    before, values, after = str(statement.compile(dialect=sqlite.dialect())).partition(one_row)
    return before + ", ".join([values] * count) + after, itemgetter(*table.columns.keys())


def _set_up(lock_wait_seconds: float) -> Callable[[Any, Any], None]:
    busy = f"busy_timeout={round(1_000 * lock_wait_seconds)}"

    def set_up(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (busy, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return set_up
