"""Bring a store that older software has written to the present layout, in place and in one transaction."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import structlog
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import RowMapping, Table

from services.operations import schema
from services.operations.operation_state import OperationState
from services.operations.store_layout import create_indexes, create_tables
from services.operations.store_triggers import count_anew, create_triggers
from services.operations.strategy_name import strategy_name

OLDEST_VERSION: Final = 1
"""Stores of this version and later ones can be upgraded."""

_CHANGED: Final = (schema.operations, schema.metric_blocks, schema.hosts)
_OLD_INDEXES: Final = ("operations_by_age", "operations_by_revision", "operations_by_session")
_TELL_EVERY_SECONDS: Final = 2.0

_logger = structlog.get_logger()


def upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Upgrade a store of version 1. When this is interrupted in any way, the store is as it was.

    Args:
        connection: To the store, in autocommit mode, with foreign keys off.
        path: Of the store, to be told.
    """
    began = time.monotonic()
    _logger.info("store_upgrade", path=path, from_version=OLDEST_VERSION, to_version=schema.SCHEMA_VERSION)
    # References of other tables go on to name the new tables, instead of following the old ones to their new names.
    connection.execute("PRAGMA legacy_alter_table=ON")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        _rebuild(connection)
        connection.execute("UPDATE schema_version SET version = ?", (schema.SCHEMA_VERSION,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("PRAGMA legacy_alter_table=OFF")
    _logger.info("store_upgraded", path=path, seconds=round(time.monotonic() - began, 1))


def _rebuild(connection: sqlite3.Connection) -> None:
    for name in _OLD_INDEXES:
        connection.execute(f"DROP INDEX {name}")
    for table in _CHANGED:
        connection.execute(f"ALTER TABLE {table.name} RENAME TO old_{table.name}")
    create_tables(connection)
    _copy(connection, schema.operations, _operations(connection))
    _copy(connection, schema.metric_blocks, _blocks(connection))
    _copy(connection, schema.dataset_versions, _dataset_versions(connection))
    connection.execute("INSERT INTO hosts SELECT name, host_uid, kind, cursor, draining, '', NULL FROM old_hosts")
    for table in _CHANGED:
        connection.execute(f"DROP TABLE old_{table.name}")
    create_indexes(connection)
    count_anew(connection)
    create_triggers(connection)


def _copy(connection: sqlite3.Connection, table: Table, rows: Iterable[Mapping[str, object]]) -> None:
    columns = [column.name for column in table.columns]
    places = ", ".join(f":{column}" for column in columns)
    statement = f"INSERT OR IGNORE INTO {table.name} ({', '.join(columns)}) VALUES ({places})"
    connection.executemany(statement, rows)


def _operations(connection: sqlite3.Connection) -> Iterator[Mapping[str, object]]:
    joined = "old_operations LEFT JOIN specs ON operation_id = id"
    for row in _read(connection, "old_operations", joined):
        state = OperationState.from_row(cast("RowMapping", row))
        if state.record.HasField("training"):
            state.record.strategy = strategy_name(state.record.training)
        yield state.row()


def _blocks(connection: sqlite3.Connection) -> Iterator[Mapping[str, object]]:
    joined = "old_metric_blocks JOIN operations ON id = operation_id"
    for row in _read(connection, "old_metric_blocks", joined):
        series = Session.FromString(row["data"]).metrics
        # Which of its revisions showed a batch is not known any more; by the operation's own it was shown in any case.
        yield {**row, "points": sum(len(one.values) for one in series), "marks": None}


def _dataset_versions(connection: sqlite3.Connection) -> Iterator[Mapping[str, object]]:
    cursor = connection.execute("SELECT id, record FROM operations WHERE type = ?", (pb.OPERATION_TYPE_DATA_LOAD,))
    for operation_id, record in cursor:
        for load in pb.Operation.FromString(record).data_load_result.loads:
            if load.dataset.fingerprint:
                yield {"fingerprint": load.dataset.fingerprint, "operation_id": operation_id}


def _read(connection: sqlite3.Connection, table: str, joined: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, and tell how far this has come."""
    count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    cursor = connection.execute(f"SELECT * FROM {joined}")
    names = [column[0] for column in cursor.description]
    told_at = time.monotonic()
    for number, row in enumerate(cursor):
        if time.monotonic() - told_at > _TELL_EVERY_SECONDS:
            told_at = time.monotonic()
            _logger.info("store_upgrade_progress", table=table.removeprefix("old_"), done=number, total=count)
        yield dict(zip(names, row, strict=True))
