"""What the store does not take is said, not shown, and does not hold up the rest."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.common.errors import ServiceError
from services.operations import store as store_module
from services.operations.changes import Changes
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from tests.support.fake_clock import FakeClock


def operation(operation_id: str, display_name: str = "") -> LiveOperation:
    record = pb.Operation(id=operation_id, state=State.STATE_RUNNING, attempt=1, display_name=display_name)
    return LiveOperation(OperationState(record))


async def test_a_full_store_refuses_a_change_and_shows_the_next_one(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.sqlite3")
    pages = 120

    def keep_small(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    event.listen(store._engine.sync_engine, "connect", keep_small)
    registry = await Registry.load(store, FakeClock())
    small = operation("small")
    await registry.insert(small)
    seen = registry.revisions.visible
    with pytest.raises(ServiceError) as refused:
        await registry.insert(operation("big", display_name="x" * pages * 4_096))
    assert refused.value.reason == ErrorReason.ERROR_REASON_STORAGE_FULL
    assert "big" not in registry.live
    assert await store.read.operation("big") is None

    def named(state: OperationState) -> None:
        state.record.display_name = "changed"

    await registry.change(small, named)
    assert [one.id for one in registry.index.changed(seen, registry.revisions.visible)] == ["small"]
    await store.close()


async def test_the_row_of_an_ended_operation_is_never_written_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.sqlite3")
    clock = FakeClock()
    registry = await Registry.load(store, clock)
    one = operation("one")
    await registry.insert(one)
    await registry.change(one, lambda state: state.end(State.STATE_COMPLETED, clock.now()))
    assert one.state.ended
    assert "one" not in registry.live
    ended = await store.read.operation("one")
    one.state.record.state = State.STATE_RUNNING  # what no code does
    await registry.insert(one)
    assert await store.read.operation("one") == ended
    await store.close()


async def test_a_restart_issues_no_revision_twice(tmp_path: Path) -> None:
    seen: set[int] = set()
    for _ in range(3):
        store = await Store.open(tmp_path / "store.sqlite3")
        registry = await Registry.load(store, FakeClock())
        for _ in range(100):
            revision = registry.revisions.issue()
            assert revision not in seen
            seen.add(revision)
        await store.close()


async def test_a_write_waits_for_another_of_the_same_store_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging writes beside the registry; nobody is told that another program locks the store."""
    store = await Store.open(tmp_path / "store.sqlite3", lock_wait_seconds=0.01)
    writes, written, goes_on = store_module._write, asyncio.Event(), asyncio.Event()

    async def slowly(connection: AsyncConnection, changes: Changes) -> None:
        await writes(connection, changes)
        written.set()  # now the transaction has the lock
        await goes_on.wait()

    monkeypatch.setattr(store_module, "_write", slowly)
    first = asyncio.ensure_future(store.write(Changes(counters={"first": 1})))
    await written.wait()
    second = asyncio.ensure_future(store.write(Changes(counters={"second": 2})))
    done, _ = await asyncio.wait([second], timeout=0.2)
    assert not done
    goes_on.set()
    await asyncio.gather(first, second)
    await store.close()
