"""Look for damage in the store's file: in a small one before it is used, in a large one beside the work."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

_STEPS_BETWEEN_LOOKS: Final = 100_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""

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

    def stop(self) -> None:
        """Let the check end soon."""
        self._stopped = True

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
        with closing(sqlite3.connect(f"file:{self._path}?mode=rw", uri=True)) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.set_progress_handler(lambda: int(self._stopped), _STEPS_BETWEEN_LOOKS)
            names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (name,) in names:
                found: str = connection.execute(f"PRAGMA quick_check('{name}')").fetchone()[0]
                if found != "ok":
                    return found.strip().splitlines()[-1]
        return ""
