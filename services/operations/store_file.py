"""Look at the store's file before it is used, so that a wrong one is refused with one clear line."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from services.common.startup import CannotStartError
from services.operations.schema import SCHEMA_VERSION
from services.operations.store_check import damage
from services.operations.store_layout import create_store
from services.operations.store_upgrade import OLDEST_VERSION, upgrade

_APPLICATION_ID: Final = 0x4B54_5244
"""Marks the file as ours in its header: "KTRD"."""

_CHECKED_BYTES: Final = 64 * 2**20
"""A file of this size is checked in a small part of a second; larger ones would hold up the start."""

_LOCK_WAIT_SECONDS: Final = 5.0


def prepare_file(path: Path, *, checked_bytes: int = _CHECKED_BYTES) -> bool:
    """Check the file, upgrade it if it is an older one, and create it with all tables if there is none.

    Args:
        path: The file.
        checked_bytes: Largest file that is looked at for damage.

    Returns:
        Whether it was looked at for damage.

    Raises:
        CannotStartError: The file cannot be used; the message names it and says what to do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                create_store(connection, _APPLICATION_ID)
                return True
            return _check(path, connection, checked_bytes)
    except sqlite3.OperationalError as error:
        raise CannotStartError(f"The store {path} cannot be opened: {error}. {_advice(error)}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise CannotStartError(
            f"The folder {path.parent} cannot be used: {error.strerror}. Choose another with --home."
        ) from error


def _check(path: Path, connection: sqlite3.Connection, checked_bytes: int) -> bool:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        advice = "Move it away, or choose another folder with --home."
        raise CannotStartError(f"The file {path} is a database of another program. {advice}")
    version = connection.execute("SELECT version FROM schema_version").fetchone()[0]
    if not OLDEST_VERSION <= version <= SCHEMA_VERSION:
        advice = (
            "Use the software that wrote it, or move it away: sessions that hosts still keep come back by themselves."
        )
        raise CannotStartError(
            f"The store {path} has version {version}; this software knows version {SCHEMA_VERSION}. {advice}"
        )
    is_small = path.stat().st_size <= checked_bytes
    if is_small and (problem := damage(connection)):
        raise _damaged(path, problem)
    if version < SCHEMA_VERSION:
        upgrade(connection, str(path))
    return is_small


def _advice(error: sqlite3.OperationalError) -> str:
    if getattr(error, "sqlite_errorcode", 0) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "Another program has it open and locks it (a backup, or a database browser?): end that, and start again."
    return "Check that the disk has space and that the folder can be written."


def _damaged(path: Path, problem: str) -> CannotStartError:
    first_line = problem.strip().splitlines()[-1]
    return CannotStartError(
        f"The store {path} is damaged ({first_line}). Restore it from a backup, or move it away "
        f"(mv {path} {path}.damaged) and start again: sessions that hosts still keep come back by themselves."
    )
