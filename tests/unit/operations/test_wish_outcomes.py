"""What becomes of wishes when something else changes while an outcome is on its way into the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.wish_outcomes import WishOutcomes
from tests.support.fake_clock import FakeClock

ID = "0123456789ab"


class World:
    """A registry with one operation, whose host turns into another one while a transaction runs.

    Args:
        store: The store.
        registry: What it has.
        operation: The operation.
    """

    def __init__(self, store: Store, registry: Registry, operation: LiveOperation) -> None:
        self.store = store
        self.operation = operation
        self.host = FollowedHost("gpu", "a:1", 20.0, host_uid="first")
        self.identities_changed_times = 0
        self.becomes = ""
        self._write = store.write
        store.write = self._held_write  # type: ignore[method-assign]  # what happens meanwhile happens here
        self.outcomes = WishOutcomes(registry, self, FakeClock())  # type: ignore[arg-type]  # has what is called here

    def identities_changed(self) -> None:
        self.identities_changed_times += 1

    async def stored(self) -> OperationState:
        state = await self.store.read.operation(ID)
        assert state is not None
        return state

    async def _held_write(self, changes: Changes) -> None:
        if self.becomes:
            self.host.host_uid = self.becomes
        await self._write(changes)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(tmp_path / "store.sqlite3")
    registry = await Registry.load(store, FakeClock())
    record = pb.Operation(id=ID, attempt=1, session_id=f"{ID}-1", state=State.STATE_PENDING)
    operation = LiveOperation(OperationState(record))
    await registry.insert(operation)
    yield World(store, registry, operation)
    await store.close()


async def test_an_operation_is_stored_for_the_host_that_it_is_shown_for(world: World) -> None:
    world.becomes = "second"
    await world.outcomes.sent_to(world.operation, world.host)
    assert (await world.stored()).host_uid == world.operation.state.host_uid == "first"
    assert world.identities_changed_times == 1  # its host was replaced, which nobody has seen of it yet

    world.host.host_uid, world.becomes = "first", "third"
    session = Session(id=f"{ID}-1", state=Session.State.STATE_QUEUED)
    await world.outcomes.accepted(world.operation, world.host, session)
    assert (await world.stored()).host_uid == world.operation.state.host_uid == "first"
    assert world.identities_changed_times == 2


async def test_an_operation_that_was_asked_to_stop_is_not_placed_anew_when_its_host_has_no_room(world: World) -> None:
    await world.outcomes.sent_to(world.operation, world.host)
    world.operation.state.ask_to_stop("", urgent=False, now=FakeClock().now())
    assert world.operation.record.state == State.STATE_CANCELLING  # the host may have it

    await world.outcomes.no_room(world.operation, "host gpu takes nothing more now")
    assert world.operation.record.state == State.STATE_CANCELLED
    assert (await world.stored()).ended


async def test_an_operation_for_which_there_is_no_room_waits_to_be_placed_anew(world: World) -> None:
    await world.outcomes.sent_to(world.operation, world.host)
    await world.outcomes.no_room(world.operation, "host gpu takes nothing more now")
    state = await world.stored()
    assert (state.delivery, state.host_uid, state.record.host) == (Delivery.NEW, "", "")
    assert state.record.wait_reason == "host gpu takes nothing more now"
