"""The file in which a host keeps what outlives its sessions' folders."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.common.startup import CannotStartError

_APPLICATION_ID: Final = 0x4B54_4448
"""Marks the file as ours in its header: "KTDH"."""
_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0
_RESERVED_BYTES: Final = 2**20
_CHECKPOINT_PAGES: Final = 64
"""Pages in the log before they move to the database; far fewer than are reserved."""
_SCHEMA: Final = """
CREATE TABLE tombstones (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    number INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    session BLOB NOT NULL,
    removed_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstones_by_request ON tombstones (request_id, number) WHERE request_id != '';
CREATE INDEX tombstones_by_folder ON tombstones (folder);
CREATE INDEX tombstones_by_age ON tombstones (removed_us);
CREATE TABLE leases (
    reader_id TEXT PRIMARY KEY,
    acked_cursor BLOB NOT NULL,
    idle_seconds REAL NOT NULL,
    last_seen_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE reserve (space BLOB NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

T = TypeVar("T")


class HostDatabase:
    """An SQLite file with one connection, which lives in a thread of its own: the event loop never waits for a disk.

    Times are microseconds since the Unix epoch, UTC.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file; where there is none, make it.

        Raises:
            CannotStartError: The file is damaged, is something else, is newer than this software, or cannot be written.
                The message names it and says what to do.
        """
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="host-db")
        try:
            self._connection = await asyncio.get_running_loop().run_in_executor(self._thread, _opened, self._path)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the file. Does nothing where it is not open."""
        thread, self._thread = self._thread, None
        connection, self._connection = self._connection, None
        if thread is not None:
            if connection is not None:
                await asyncio.get_running_loop().run_in_executor(thread, connection.close)
            thread.shutdown()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction, which is durable when this returns.

        Args:
            work: Called in the connection's thread.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT; nothing was changed.
        """
        connection = self._connection
        if self._thread is None or connection is None:
            message = "the host's database is used while it is not open"
            raise RuntimeError(message)

        def transaction() -> T:
            with connection:
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)
        except sqlite3.OperationalError as error:
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path=str(self._path)) from error
        except sqlite3.DatabaseError as error:
            raise ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=str(self._path)) from error


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
        try:
            _prepare(path, connection)
            _reserve(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        advice = "Check that the disk has space and that the folder can be written."
        raise CannotStartError(f"{path} cannot be opened: {error}. {advice}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        pragmas = f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={_VERSION};"
        connection.executescript(f"BEGIN; {pragmas} {_SCHEMA} COMMIT;")
        return
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise CannotStartError(f"{path} is a database of another program. Move it away, or choose another --home.")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        advice = "Use the software that wrote it."
        raise CannotStartError(f"{path} has version {version}; this software knows version {_VERSION}. {advice}")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)


def _reserve(connection: sqlite3.Connection) -> None:
    """Let database and log take some space ahead: on a full disk tombstones must fit, or nothing could be removed."""
    try:
        with connection:
            connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_RESERVED_BYTES,))
        with connection:
            connection.execute("DELETE FROM reserve")
        # From here on the log is written from its beginning again, and keeps its size.
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    except sqlite3.OperationalError:
        return  # the disk is full already


def _damaged(path: Path, problem: str) -> CannotStartError:
    first_line = problem.strip().splitlines()[-1]
    return CannotStartError(
        f"{path} is damaged ({first_line}). Restore it from a backup, or move it away (mv {path} {path}.damaged): the "
        "host then no longer knows the sessions whose folders were removed, nor how far its readers have come."
    )
