"""Deleting and changing one of a million ended operations reads a handful of rows, not all of them."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from tests.support.fake_clock import FakeClock

_OPERATIONS = 2_000


@pytest.fixture
async def filled(tmp_path: Path) -> AsyncIterator[tuple[Path, Store]]:
    """A store with some ended operations that have labels."""
    path, clock = tmp_path / "store.sqlite3", FakeClock()
    store = await Store.open(path)
    registry = await Registry.load(store, clock)
    record = pb.Operation(id="o0", attempt=1, state=State.STATE_RUNNING, labels={"team": "a", "kind": "b"})
    operation = LiveOperation(OperationState(record))
    await registry.insert(operation)
    await registry.change(operation, lambda state: state.end(State.STATE_COMPLETED, clock.now()))
    yield path, store
    await store.close()


def _copy_rows(connection: sqlite3.Connection) -> None:
    columns = [row[1] for row in connection.execute("PRAGMA table_info(operations)")]
    others = ", ".join(column for column in columns if column != "id")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_OPERATIONS})"
    connection.execute(
        f"INSERT INTO operations (id, {others}) {numbers} SELECT 'o' || i, {others} FROM n, operations WHERE id = 'o0'"
    )
    connection.execute(
        f"INSERT INTO labels {numbers} SELECT 'o' || i, key, value FROM n, labels WHERE operation_id = 'o0'"
    )


async def test_one_deletion_and_one_change_take_few_steps(filled: tuple[Path, Store]) -> None:
    path, _ = filled
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        _copy_rows(connection)
        connection.commit()
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(count, 100)
        connection.execute("UPDATE operations SET notes = 'n' WHERE id = 'o7'")
        connection.execute("DELETE FROM operations WHERE id = 'o8'")
        assert steps * 100 < 5 * _OPERATIONS
        left = connection.execute("SELECT count(*) FROM terms WHERE operation_id = 'o8'").fetchone()
        kept = connection.execute("SELECT count(*) FROM terms WHERE operation_id = 'o7'").fetchone()
        assert (left, kept) == ((0,), (2,))
        total = connection.execute("SELECT operations FROM term_totals WHERE field = 'labels.team'").fetchone()
        assert total == (_OPERATIONS,)


async def test_the_oldest_ends_are_found_along_an_index(
    filled: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = filled
    asked: list[str] = []
    rows = store.read.rows

    async def recorded(query: object) -> object:
        asked.append(str(query.compile(compile_kwargs={"literal_binds": True})))  # type: ignore[attr-defined]  # a Select
        return await rows(query)  # type: ignore[arg-type]  # a Select

    monkeypatch.setattr(store.read, "rows", recorded)
    assert [one.operation_id for one in await DeletionReader(store.read).oldest_ended(5, 1 << 60)] == ["o0"]
    assert asked
    with closing(sqlite3.connect(path)) as connection:
        for query in asked:
            plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert "ended_by_end (state=? AND type=? AND ended_us<?)" in plan
            assert "TEMP B-TREE" not in plan
