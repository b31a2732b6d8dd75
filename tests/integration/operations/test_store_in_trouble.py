"""The store is killed while it writes, its disk is full, or another program locks it: what was said to be stored is."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.common.startup import CannotStartError
from services.operations import store_file
from services.operations.filters import parse_filter
from services.operations.lists.order import parse_order
from services.operations.lists.search import Question, search
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.store_check import LongCheck
from tests.support.fake_clock import FakeClock


@contextmanager
def victim(path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.store_victim", str(path), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def ended(path: Path) -> dict[str, int]:
    """Return the states of all stored operations, after a look at the whole file."""
    assert store_file.prepare_file(path, checked_bytes=2**40)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        states = dict(connection.execute("SELECT id, state FROM operations").fetchall())
        for text in ("", "labels.team = red", "state = COMPLETED"):
            answer = search(connection, Question(parse_filter(text), parse_order(""), None, 1, count=True))
            assert answer.total == sum(state == State.STATE_COMPLETED for state in states.values())
        return states


@pytest.mark.kill
def test_what_was_stored_when_it_was_killed_is_there(tmp_path: Path) -> None:
    path, rng = tmp_path / "store.sqlite3", random.Random(3)
    for _ in range(4):
        with victim(path) as process:
            assert process.stdout is not None
            told = [process.stdout.readline().strip() for _ in range(rng.randrange(5, 120))]
            process.kill()
            told += process.stdout.read().split("\n")[:-1]
        states = ended(path)
        assert {states[one] for one in told} == {State.STATE_COMPLETED}
        path = tmp_path / f"store-{len(states)}.sqlite3"  # ids begin anew with each process


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    with victim(path, str(1_500_000)) as process:
        output, _ = process.communicate(timeout=60)
    *told, last = output.split()
    assert last == "STORAGE_FULL"
    assert len(told) > 50
    states = ended(path)
    assert {states[one] for one in told} == {State.STATE_COMPLETED}


async def test_a_locked_store_says_so_and_goes_on_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = await Store.open(path, lock_wait_seconds=0.05)
    registry = await Registry.load(store, FakeClock())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError) as refused:
            await registry.insert(LiveOperation(OperationState(pb.Operation(id="one", state=State.STATE_RUNNING))))
        assert refused.value.reason == ErrorReason.ERROR_REASON_STORAGE_FULL
        assert "locked" in refused.value.message
        assert registry.live == {}
        assert await store.read.operation("one") is None  # reading goes on
        other.execute("ROLLBACK")
    await registry.insert(LiveOperation(OperationState(pb.Operation(id="one", state=State.STATE_RUNNING))))
    assert set(registry.live) == {"one"}
    await store.close()


def test_a_store_that_is_locked_at_the_start_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite3"
    store_file.prepare_file(path)
    monkeypatch.setattr(store_file, "_LOCK_WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CannotStartError, match="Another program has it open"):
            store_file.prepare_file(path)
    assert store_file.prepare_file(path)


async def test_a_large_store_is_looked_at_beside_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite3"
    store_file.prepare_file(path)
    assert not store_file.prepare_file(path, checked_bytes=1_000)
    monkeypatch.setattr("services.operations.store.prepare_file", lambda _: False)
    store = await Store.open(path)
    assert store._check is not None
    registry = await Registry.load(store, FakeClock())  # writes beside it
    await registry.insert(LiveOperation(OperationState(pb.Operation(id="one", state=State.STATE_RUNNING))))
    with structlog.testing.capture_logs() as logs:
        await store._check
    assert "store_damaged" not in [line["event"] for line in logs]
    await store.close()


async def test_damage_in_a_large_store_is_told_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store_file.prepare_file(path)
    with path.open("r+b") as file:  # the last page is that of an index or a table
        file.seek(-4_000, os.SEEK_END)
        file.write(b"\xff" * 3_000)
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(LongCheck(path).run)
    assert [(line["event"], line["path"]) for line in logs] == [("store_damaged", str(path))]
