"""Which operations have ended, as a snapshot of the store has it."""

import sqlite3
from collections.abc import Sequence
from typing import Final

_AT_ONCE: Final = 500


def ended_among(connection: sqlite3.Connection, operation_ids: Sequence[str]) -> list[str]:
    """Return those of the ids whose operations have ended."""
    found: list[str] = []
    for start in range(0, len(operation_ids), _AT_ONCE):
        part = operation_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT id FROM operations WHERE terminal AND id IN ({marks})", part)
        found += [row[0] for row in rows]
    return found
