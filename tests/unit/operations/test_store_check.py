"""A store is closed in order, however far the check of its file has come at that moment."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.operations.store_check import LongCheck


class Ending(LongCheck):
    """A check that comes to its end between the look of whoever stops it and what follows from that look."""

    def __init__(self, path: Path) -> None:
        self._looks: Iterator[sqlite3.Connection | None] = iter(())
        super().__init__(path)
        connection = sqlite3.connect(":memory:")
        connection.close()
        self._looks = iter([connection])

    @property
    def _connection(self) -> sqlite3.Connection | None:
        return next(self._looks, None)

    @_connection.setter
    def _connection(self, connection: sqlite3.Connection | None) -> None:
        pass


@pytest.mark.parametrize("times", [1, 2])
def test_a_check_that_ends_as_it_is_stopped_is_no_trouble(tmp_path: Path, times: int) -> None:
    check = Ending(tmp_path / "store.sqlite3")
    for _ in range(times):
        check.stop()
