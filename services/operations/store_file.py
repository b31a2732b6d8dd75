"""Look at the store's file before it is used, so that a wrong one is refused with one clear line."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from services.common.startup import CannotStartError
from services.operations.schema import SCHEMA_VERSION, metadata

_APPLICATION_ID: Final = 0x4B54_5244
"""Marks the file as ours in its header: "KTRD"."""


def prepare_file(path: Path) -> None:
    """Check the file, and create it with all tables if there is none.

    Raises:
        CannotStartError: The file cannot be used; the message names it and says what to do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=5.0)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _create(path)
                return
            _check(path, connection)
    except sqlite3.OperationalError as error:
        advice = "Check that the disk has space and that the folder can be written."
        raise CannotStartError(f"The store {path} cannot be opened: {error}. {advice}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise CannotStartError(
            f"The folder {path.parent} cannot be used: {error.strerror}. Choose another with --home."
        ) from error


def _check(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        advice = "Move it away, or choose another folder with --home."
        raise CannotStartError(f"The file {path} is a database of another program. {advice}")
    version = connection.execute("SELECT version FROM schema_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        advice = (
            "Use the software that wrote it, or move it away: sessions that hosts still keep come back by themselves."
        )
        raise CannotStartError(
            f"The store {path} has version {version}; this software knows version {SCHEMA_VERSION}. {advice}"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)


def _create(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    event.listen(
        engine, "connect", lambda connection, _: connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    )
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql("INSERT INTO schema_version (version) VALUES (?)", (SCHEMA_VERSION,))
    engine.dispose()


def _damaged(path: Path, problem: str) -> CannotStartError:
    first_line = problem.strip().splitlines()[-1]
    return CannotStartError(
        f"The store {path} is damaged ({first_line}). Restore it from a backup, or move it away "
        f"(mv {path} {path}.damaged) and start again: sessions that hosts still keep come back by themselves."
    )
