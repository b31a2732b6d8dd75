"""Create the tables of the store, with their indexes and triggers, on a plain connection."""

import sqlite3

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from services.operations.schema import SCHEMA_VERSION, metadata
from services.operations.store_triggers import create_triggers


def create_store(connection: sqlite3.Connection, application_id: int) -> None:
    """Create everything in one transaction: a start that is interrupted leaves nothing half done.

    Args:
        connection: To an empty file, in autocommit mode.
        application_id: Marks the file as ours.
    """
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute(f"PRAGMA application_id={application_id}")
    create_tables(connection)
    create_indexes(connection)
    create_triggers(connection)
    connection.execute("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
    connection.execute("COMMIT")


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables that are not there."""
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=sqlite.dialect())))


def create_indexes(connection: sqlite3.Connection) -> None:
    """Create the indexes that are not there."""
    for table in metadata.sorted_tables:
        for index in table.indexes:
            connection.execute(str(CreateIndex(index, if_not_exists=True).compile(dialect=sqlite.dialect())))
