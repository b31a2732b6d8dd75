"""What is too old or too much goes, oldest first; what is at work stays; old deletions are forgotten for good."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.deletion import retention as retention_module
from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.deletion.retention import Bounds, Retention
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.turns import Turns
from tests.support.fake_clock import FakeClock

DAY = timedelta(days=1)


class World(NamedTuple):
    store: Store
    registry: Registry
    clock: FakeClock

    def retention(self, *, days: int = 365, operations: int = 1_000, tombstone_days: int = 7) -> Retention:
        bounds = Bounds(days * DAY, operations, tombstone_days * DAY)
        return Retention(self.registry, DeletionReader(self.store.read), Turns(), self.clock, bounds, 3600.0)

    async def ended(self, operation_id: str, state: "State.ValueType" = State.STATE_COMPLETED) -> None:
        """Let an operation end now."""
        record = pb.Operation(id=operation_id, state=State.STATE_RUNNING, attempt=1, session_id=f"{operation_id}-1")
        record.create_time.FromDatetime(self.clock.now())
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid"))
        await self.registry.insert(operation)
        await self.registry.change(operation, lambda each: each.end(state, self.clock.now()))

    async def left(self) -> set[str]:
        """Return the ids of the operations that are in the store."""
        states = await self.store.read.operations([f"o{number}" for number in range(100)])
        return {state.record.id for state in states}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    store = await Store.open(tmp_path / "store.sqlite3")
    yield World(store, await Registry.load(store, clock), clock)
    await store.close()


async def test_what_ended_long_ago_goes_and_its_session_is_left_and_known(world: World) -> None:
    await world.ended("o1")
    world.clock.advance((2 * DAY).total_seconds())
    await world.ended("o2", State.STATE_FAILED)
    world.clock.advance((9 * DAY).total_seconds())
    await world.ended("o3")

    await world.retention(days=10).look()

    assert await world.left() == {"o2", "o3"}
    assert await world.store.read.abandoned("uid", ["o1-1", "o2-1"]) == {"o1-1"}
    assert await DeletionReader(world.store.read).sessions_to_remove("uid", "", 10) == []
    assert [stone.operation_id for stone in world.registry.deleted.between(0, 1 << 60)] == ["o1"]


async def test_the_oldest_go_where_there_are_too_many(world: World) -> None:
    for number in range(7):
        state = (State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED)[number % 3]
        await world.ended(f"o{number}", state)
        world.clock.advance(60)

    await world.retention(operations=4).look()

    assert await world.left() == {"o3", "o4", "o5", "o6"}
    await world.retention(operations=4).look()
    assert await world.left() == {"o3", "o4", "o5", "o6"}


async def test_what_is_at_work_stays_however_old_it_is(world: World) -> None:
    record = pb.Operation(id="o1", state=State.STATE_RUNNING, attempt=1)
    record.create_time.FromDatetime(world.clock.now())
    await world.registry.insert(LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid")))
    world.clock.advance((1_000 * DAY).total_seconds())

    await world.retention(days=1, operations=1).look()

    assert await world.left() == {"o1"}


async def test_old_deletions_are_compacted_and_a_restart_knows_up_to_where(world: World) -> None:
    await world.ended("o1")
    await world.ended("o2")
    world.clock.advance((2 * DAY).total_seconds())
    await world.retention(days=1).look()
    first = [stone.revision for stone in world.registry.deleted.between(0, 1 << 60)]
    await world.ended("o3")
    world.clock.advance((5 * DAY).total_seconds())
    await world.retention(days=1).look()
    assert len(world.registry.deleted.between(0, 1 << 60)) == 3
    world.clock.advance((3 * DAY).total_seconds())

    await world.retention(days=1).look()

    assert world.registry.deleted.compacted == max(first)
    assert [stone.operation_id for stone in world.registry.deleted.between(0, 1 << 60)] == ["o3"]
    again = await Registry.load(world.store, world.clock)
    assert again.deleted.compacted == max(first)
    assert again.deleted.floor == max(first)
    assert again.deleted.between(again.deleted.floor, 1 << 60) == world.registry.deleted.between(0, 1 << 60)
    assert not await DeletionReader(world.store.read).is_deleted("o1")
    assert await DeletionReader(world.store.read).is_deleted("o3")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ages=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    days=st.integers(1, 20),
    most=st.integers(1, 12),
    at_once=st.integers(1, 5),
)
async def test_exactly_what_is_beyond_the_bounds_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ages: list[int], days: int, most: int, at_once: int
) -> None:
    monkeypatch.setattr(retention_module, "_AT_ONCE", at_once)
    monkeypatch.setattr(retention_module, "_PAUSE_SECONDS", 0.0)
    path = tmp_path / "store.sqlite3"
    path.unlink(missing_ok=True)
    clock = FakeClock()
    store = await Store.open(path)
    try:
        world = World(store, await Registry.load(store, clock), clock)
        order = sorted(range(len(ages)), key=lambda place: -ages[place])
        passed = 0
        for place in order:
            clock.advance((20 - ages[place] - passed) * DAY.total_seconds() + 1)
            passed = 20 - ages[place]
            await world.ended(f"o{place}")
        clock.advance((20 - passed) * DAY.total_seconds() + 1)

        await world.retention(days=days, operations=most).look()

        kept = [place for place in order if ages[place] < days][-most:]
        assert await world.left() == {f"o{place}" for place in kept}
        assert await DeletionReader(store.read).ended_count() == len(kept)
    finally:
        await store.close()
