"""Questions to the store. Each is one short statement, answered beside whatever is being written."""

import abc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ktrdr.host.v1.session_pb2 import HostKind
from sqlalchemy import Executable, Row, RowMapping, Select, and_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.operations import schema
from services.operations.deletion.tombstones import Tombstone
from services.operations.new_points import JournalPositions
from services.operations.operation_state import OperationState
from services.operations.store_connection import connected

_SQL_VARIABLES: Final = 500
_LIVE_BLOCKS: Final = text(  # CROSS JOIN keeps the order: by the tables' sizes SQLite would read all batches
    """
    SELECT blocks.operation_id, blocks.attempt, journals.ordinal, blocks.incarnation, blocks.data
    FROM operations CROSS JOIN journals CROSS JOIN metric_blocks AS blocks
    WHERE operations.terminal = 0
    AND journals.operation_id = operations.id AND journals.attempt = operations.attempt
    AND blocks.operation_id = journals.operation_id AND blocks.attempt = journals.attempt
    AND blocks.incarnation = journals.incarnation AND blocks.last_seq >= journals.next_seq
    AND blocks.first_seq >= coalesce((
        SELECT max(earlier.first_seq) FROM metric_blocks AS earlier
        WHERE earlier.operation_id = journals.operation_id AND earlier.attempt = journals.attempt
        AND earlier.incarnation = journals.incarnation AND earlier.first_seq <= journals.next_seq
    ), 0)
    ORDER BY blocks.operation_id, journals.ordinal, blocks.first_seq
    """
)


@dataclass(frozen=True)
class StoredHost:
    """What the store keeps of a host."""

    host_uid: str
    kind: "HostKind.ValueType"
    cursor: bytes
    draining: bool
    address: str = ""
    lease_us: int | None = None


class StoredRequest(NamedTuple):
    """A request_id that was used, for which operation, and the digest of its body."""

    operation_id: str
    body_digest: bytes


class StoredBlock(NamedTuple):
    """A batch of points."""

    ordinal: int
    incarnation: str
    data: bytes


class SessionQuestions(abc.ABC):
    """Questions about sessions and the operations that they belong to."""

    async def sessions(self, host_uid: str, session_ids: Sequence[str]) -> list[OperationState]:
        """Return the operations, live or ended, of these sessions of a host."""
        table = schema.operations
        found: list[OperationState] = []
        for part in _parts(session_ids):
            query = _with_spec().where(table.c.host_uid == host_uid, table.c.session_id.in_(part))
            found += [OperationState.from_row(row) for row in await self._all(query)]
        return found

    async def operations(self, operation_ids: Sequence[str]) -> list[OperationState]:
        """Return the operations with these ids, live or ended."""
        found: list[OperationState] = []
        for part in _parts(operation_ids):
            query = _with_spec().where(schema.operations.c.id.in_(part))
            found += [OperationState.from_row(row) for row in await self._all(query)]
        return found

    async def abandoned(self, host_uid: str, session_ids: Sequence[str]) -> set[str]:
        """Return which of these sessions of a host belong to past attempts or deleted operations."""
        table = schema.abandoned_sessions
        found: set[str] = set()
        for part in _parts(session_ids):
            query = select(table.c.session_id).where(table.c.host_uid == host_uid, table.c.session_id.in_(part))
            found |= {row["session_id"] for row in await self._all(query)}
        return found

    @abc.abstractmethod
    async def _all(self, query: Executable) -> Sequence[RowMapping]:
        """Return the rows of a question."""


class StoreReader(SessionQuestions):
    """Reads what transactions have written.

    Args:
        engine: Connections to the store.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def revision_limit(self) -> int:
        """Return the highest revision that may have been issued."""
        table = schema.counters
        rows = await self._all(select(table.c.value).where(table.c.name == "revision_limit"))
        return int(rows[0]["value"]) if rows else 0

    async def compacted_revision(self) -> int:
        """Return the revision up to which tombstones were forgotten."""
        table = schema.counters
        rows = await self._all(select(table.c.value).where(table.c.name == "compacted_revision"))
        return int(rows[0]["value"]) if rows else 0

    async def tombstones_between(self, after: int, up_to: int, limit: int) -> list[Tombstone]:
        """Return deletions with a revision above `after` and not above `up_to`, by revision."""
        table = schema.deletions
        query = select(table).where(table.c.revision > after, table.c.revision <= up_to).order_by(table.c.revision)
        return [Tombstone(row["operation_id"], row["revision"]) for row in await self._all(query.limit(limit))]

    async def latest_tombstones(self, limit: int) -> list[Tombstone]:
        """Return the latest deletions, by revision."""
        table = schema.deletions
        rows = await self._all(select(table).order_by(table.c.revision.desc()).limit(limit))
        return [Tombstone(row["operation_id"], row["revision"]) for row in reversed(rows)]

    async def hosts(self) -> dict[str, StoredHost]:
        """Return all hosts by name."""
        rows = await self._all(select(schema.hosts))
        return {row["name"]: StoredHost(**{key: row[key] for key in row if key != "name"}) for row in rows}

    async def live_operations(self) -> list[OperationState]:
        """Return all operations that have not ended, by revision."""
        table = schema.operations
        rows = await self._all(_with_spec().where(table.c.terminal.is_(False)).order_by(table.c.revision))
        return [OperationState.from_row(row) for row in rows]

    async def live_positions(self) -> dict[tuple[str, int], JournalPositions]:
        """Return how far the journals of operations that have not ended were read, by operation and attempt."""
        table = schema.journals
        live = select(schema.operations.c.id).where(schema.operations.c.terminal.is_(False))
        rows = await self._all(select(table).where(table.c.operation_id.in_(live)).order_by(table.c.ordinal))
        found: dict[tuple[str, int], JournalPositions] = {}
        for row in rows:
            positions = found.setdefault((row["operation_id"], row["attempt"]), JournalPositions())
            positions.next_seq[row["incarnation"]] = row["next_seq"]
        return found

    async def live_blocks(self) -> dict[tuple[str, int], list[StoredBlock]]:
        """Return the batches of points that `live_positions` does not cover, by operation and attempt, in order.

        The first of a journal may begin before its position.
        """
        found: dict[tuple[str, int], list[StoredBlock]] = {}
        for row in await self._all(_LIVE_BLOCKS):
            block = StoredBlock(row["ordinal"], row["incarnation"], row["data"])
            found.setdefault((row["operation_id"], row["attempt"]), []).append(block)
        return found

    async def operation(self, operation_id: str) -> OperationState | None:
        """Return one operation, live or ended."""
        rows = await self._all(_with_spec().where(schema.operations.c.id == operation_id))
        return OperationState.from_row(rows[0]) if rows else None

    async def ended_after(self, revision: int, up_to: int, limit: int) -> list[OperationState]:
        """Return ended operations with a revision above `revision` and not above `up_to`, by revision."""
        table = schema.operations
        query = _with_spec().where(table.c.terminal.is_(True), table.c.revision > revision, table.c.revision <= up_to)
        rows = await self._all(query.order_by(table.c.revision).limit(limit))
        return [OperationState.from_row(row) for row in rows]

    async def all_abandoned(self, host_uid: str) -> set[str]:
        """Return the sessions of a host that belong to past attempts or deleted operations."""
        table = schema.abandoned_sessions
        return {
            row["session_id"] for row in await self._all(select(table.c.session_id).where(table.c.host_uid == host_uid))
        }

    async def request(self, request_id: str, now_us: int) -> StoredRequest | None:
        """Return what a request_id was used for, if it has not expired."""
        table = schema.requests
        rows = await self._all(select(table).where(table.c.request_id == request_id, table.c.expires_us >= now_us))
        return StoredRequest(rows[0]["operation_id"], rows[0]["body_digest"]) if rows else None

    async def blocks(
        self, operation_id: str, attempt: int, *, start: tuple[int, int], above_seq: int, limit: int
    ) -> list[StoredBlock]:
        """Return batches of points in the order of their journals.

        Args:
            operation_id: Whose.
            attempt: Of which attempt.
            start: Only batches that have rows from here on: place of a journal among those of the attempt, and a
                sequence number in it.
            above_seq: Only batches that have rows beyond this sequence number.
            limit: Most batches.
        """
        blocks, journals = schema.metric_blocks, schema.journals
        same = [
            getattr(blocks.c, name) == getattr(journals.c, name) for name in ("operation_id", "attempt", "incarnation")
        ]
        query = (
            select(journals.c.ordinal, blocks.c.incarnation, blocks.c.data)
            .join(journals, and_(*same))
            .where(blocks.c.operation_id == operation_id, blocks.c.attempt == attempt, blocks.c.last_seq > above_seq)
            .where(tuple_(journals.c.ordinal, blocks.c.last_seq) >= start)
            .order_by(journals.c.ordinal, blocks.c.first_seq)
            .limit(limit)
        )
        return [StoredBlock(row["ordinal"], row["incarnation"], row["data"]) for row in await self._all(query)]

    async def rows(self, query: Select[*tuple[object, ...]]) -> Sequence[RowMapping]:
        """Return the rows of a question that another part of the registry puts together."""
        return await self._all(query)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Snapshot"]:
        """Open one state of the store: whatever is written or merged meanwhile, all questions are about that state."""
        async with connected(self._engine) as connection:
            await connection.exec_driver_sql("BEGIN")  # the driver begins none by itself before it writes
            yield Snapshot(connection)

    async def tuples(self, query: Executable) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows of a question as tuples, which costs less where they are many."""
        async with connected(self._engine) as connection:
            return (await connection.execute(query)).all()

    async def fetch(self, sql: str, values: Sequence[str | int]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in SQLite's own words: for large rows, and for questions asked all the time.

        One hop to the thread of the connection and back, where an expression takes several and has to be put together.
        """
        async with connected(self._engine) as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            rows: list[tuple[Any, ...]] = await driver.execute_fetchall(sql, values)
            return rows

    async def _all(self, query: Executable) -> Sequence[RowMapping]:
        async with connected(self._engine) as connection:
            result = await connection.execute(query)
            return result.mappings().all()


class Snapshot(SessionQuestions):
    """One state of the store.

    Args:
        connection: A connection that has begun a transaction.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, query: Executable) -> Sequence[RowMapping]:
        """Return the rows of a question."""
        return await self._all(query)

    async def _all(self, query: Executable) -> Sequence[RowMapping]:
        return (await self._connection.execute(query)).mappings().all()


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a list into parts that one statement can name."""
    for start in range(0, len(values), _SQL_VARIABLES):
        yield values[start : start + _SQL_VARIABLES]


def _with_spec() -> Select[*tuple[object, ...]]:
    operations, specs = schema.operations, schema.specs
    return select(operations, specs.c.spec).join(specs, specs.c.operation_id == operations.c.id, isouter=True)
