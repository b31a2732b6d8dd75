"""The ledger: what a worker knows that it wrote, kept beside the bridge and independent of it.

A row is entered before it is written to the bridge, and a mark after a burst of rows was written. What the last mark
counts was certainly written; what is entered was at least begun; nothing else was. So of a worker that was killed at
any moment, readers must get the rows up to the mark, may get those after it, in order, and can get no others.

A SIGKILL takes nothing from a file that a finished write(2) has reached, so no entry has to be synced.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.kills.plan import Row

_LIVES: Final = "lives"
_ENTRIES: Final = "entries"


class LedgerWriter:
    """Written by the worker.

    Args:
        folder: Where; made where it is missing.
        durable: Sync each entry.
    """

    def __init__(self, folder: Path, *, durable: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._entries = os.open(folder / _ENTRIES, flags, 0o600)
        self._durable = durable
        lives = os.open(folder / _LIVES, flags, 0o600)
        os.write(lives, f"{os.getpid()}\n".encode())
        os.close(lives)

    def announce(self, lines: str) -> None:
        """Enter rows that are about to be written, as `entry` gives them."""
        self._append(lines)

    def mark(self, count: int) -> None:
        """Enter that the first `count` rows were written."""
        self._append(f"{count}\n")

    def tell(self, event: str) -> None:
        """Enter that something else happened."""
        self._append(f'"{event}"\n')

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._entries)

    def _append(self, text: str) -> None:
        os.write(self._entries, text.encode())
        if self._durable:
            os.fsync(self._entries)


def entry(row: Row) -> str:
    """Return a row's line in the ledger."""
    return json.dumps([row.kind, row.step, row.metrics]) + "\n"


@dataclass(frozen=True)
class Ledger:
    """What a ledger says.

    Attributes:
        lives: Workers that ever worked on the session.
        rows: Rows that were begun, in order.
        written: How many of them were certainly written.
        events: What else was told.
    """

    lives: int
    rows: list[Row]
    written: int
    events: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> "Ledger":
        """Read the ledger in `folder`; an empty one where no worker ever began."""
        if not (folder / _LIVES).exists():
            return cls(0, [], 0, ())
        rows: list[Row] = []
        events: list[str] = []
        written = 0
        # An entry without an end of line was cut by the kill: what it announces was not begun.
        for line in (folder / _ENTRIES).read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break
            said = json.loads(line)
            if isinstance(said, list):
                rows.append(Row(*said))
            elif isinstance(said, int):
                written = said
            else:
                events.append(said)
        return cls((folder / _LIVES).read_text().count("\n"), rows, written, tuple(events))
