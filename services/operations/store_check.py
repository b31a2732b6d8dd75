"""Look for damage in the store's file: in a small one before it is used, in a large one beside the work."""

import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import structlog

_logger = structlog.get_logger()


def damage(connection: sqlite3.Connection) -> str:
    """Return what is damaged, "" if nothing is. Takes seconds for each gigabyte."""
    problem: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return "" if problem == "ok" else problem


class LongCheck:
    """Checks a large file beside the work, table by table, so that no read stays open for long.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = False
        self._connection: sqlite3.Connection | None = None

    def stop(self) -> None:
        """Let the check end soon."""
        self._stopped = True
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.ProgrammingError):  # the check has just ended, and closed it
                connection.interrupt()

    def run(self) -> None:
        """Check everything, and log what is found. Blocks: run it in a thread."""
        began = time.monotonic()
        try:
            problem = self._problem()
        except sqlite3.Error as error:
            problem = str(error)
        if self._stopped:
            return
        if problem:
            advice = "restore it from a backup, or stop, move it away and start again"
            _logger.error("store_damaged", path=str(self._path), problem=problem, advice=advice)
        else:
            _logger.info("store_checked", path=str(self._path), seconds=round(time.monotonic() - began, 1))

    def _problem(self) -> str:
        # Not mode=ro: such a connection cannot take part in setting up a WAL, and keeps others from it while it reads.
        connection = sqlite3.connect(f"file:{self._path}?mode=rw", uri=True, check_same_thread=False)
        with closing(connection):
            self._connection = connection
            try:
                return self._problem_in(connection)
            finally:
                self._connection = None

    def _problem_in(self, connection: sqlite3.Connection) -> str:
        connection.execute("PRAGMA query_only=ON")
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (name,) in names:
            if self._stopped:
                break
            found: str = connection.execute(f"PRAGMA quick_check('{name}')").fetchone()[0]
            if found != "ok":
                return found.strip().splitlines()[-1]
        return ""
