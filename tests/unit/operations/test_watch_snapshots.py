"""The first bookmark of a watch says that all operations have been told, whatever is being stored at that moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.deletion.tombstones import Tombstone
from services.operations.operation_state import OperationState
from services.operations.watching import WatchQuery
from tests.support.watched_world import WatchedWorld, selection_of

HEARTBEAT_SECONDS = 0.1


class HeldWorld:
    """Two operations: one is changed by a transaction that is held up, the other one has been shown since."""

    def __init__(self, world: WatchedWorld) -> None:
        self.world = world
        self.goes_on = asyncio.Event()
        self._begun = asyncio.Event()
        self._write = world.store.write
        world.store.write = self._held_write  # type: ignore[method-assign]  # held up where the disk would be slow

    async def begin(self) -> "asyncio.Task[None]":
        """Begin the transaction, and show the other operation; return the change that is being stored."""
        registry = self.world.registry
        changed, shown = registry.live.values()
        changing = asyncio.create_task(registry.change(changed, _renamed))
        await self._begun.wait()
        registry.show(shown, _stepped)
        return changing

    async def _held_write(self, changes: Changes) -> None:
        self._begun.set()
        await self.goes_on.wait()
        await self._write(changes)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[HeldWorld]:
    world = WatchedWorld(tmp_path)
    await world.start()
    for _ in range(2):
        world.open()
        world.write(0)
    await world.poll()
    held = HeldWorld(world)
    yield held
    held.goes_on.set()
    await world.stop()


async def up_to_bookmark(messages: AsyncIterator[bytes]) -> set[str]:
    """Return the operations that are told before the first bookmark."""
    told: set[str] = set()
    async for message in messages:
        response = pb.WatchOperationsResponse.FromString(message)
        told |= {operation.id for operation in response.operations}
        if response.bookmark:
            break
    return told


def _renamed(state: OperationState) -> None:
    state.record.display_name = "renamed"


def _stepped(state: OperationState) -> bool:
    state.record.progress.step += "."
    return True


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_snapshot_is_not_closed_before_what_changed_meanwhile_is_told(held: HeldWorld, resumed: bool) -> None:
    registry = held.world.registry
    after = registry.revisions.visible if resumed else 0
    changing = await held.begin()
    stream = held.world.watching.watch(WatchQuery(selection_of(""), after, heartbeat_seconds=3600.0))
    reading = asyncio.create_task(up_to_bookmark(stream))
    await asyncio.sleep(0.05)
    assert not reading.done()
    held.goes_on.set()
    assert await asyncio.wait_for(reading, 60) == set(registry.live)
    await changing
    await stream.aclose()


async def test_a_watch_is_heard_of_while_its_snapshot_is_not_whole(held: HeldWorld) -> None:
    changing = await held.begin()
    stream = held.world.watching.watch(WatchQuery(selection_of(""), 0, HEARTBEAT_SECONDS))
    response = pb.WatchOperationsResponse(operations=[pb.Operation()])
    while response.operations or response.metrics:
        reading = asyncio.ensure_future(anext(stream))
        while not reading.done():
            await asyncio.sleep(0.01)
            held.world.clock.advance(HEARTBEAT_SECONDS)
        response = pb.WatchOperationsResponse.FromString(reading.result())
    assert response == pb.WatchOperationsResponse(revision=held.world.registry.revisions.visible)
    held.goes_on.set()
    await changing
    await stream.aclose()


async def test_a_watch_does_not_wait_for_what_it_does_not_want(held: HeldWorld) -> None:
    changing = await held.begin()
    stream = held.world.watching.watch(WatchQuery(selection_of('display_name = "other"'), 0, heartbeat_seconds=3600.0))
    assert await asyncio.wait_for(up_to_bookmark(stream), 60) == set()
    held.goes_on.set()
    await changing
    await stream.aclose()


async def test_a_reader_begins_anew_when_deletions_are_forgotten_that_are_being_looked_for(tmp_path: Path) -> None:
    world = WatchedWorld(tmp_path)
    await world.start()
    for number in range(4):
        world.open()
        world.end(number)
    await world.poll()
    before = world.registry.revisions.visible
    for number in range(4):  # more than are kept in memory
        await world.delete(number)
    read = world.store.read.tombstones_between

    async def forgotten(after: int, up_to: int, limit: int) -> list[Tombstone]:
        found = await read(after, up_to, limit)
        world.registry.deleted.compact(world.registry.revisions.visible)
        return found

    world.store.read.tombstones_between = forgotten  # type: ignore[method-assign]  # the hour has come meanwhile
    stream = world.watching.watch(WatchQuery(selection_of(""), before, heartbeat_seconds=3600.0))
    with pytest.raises(ServiceError) as refusal:
        await up_to_bookmark(stream)
    assert refusal.value.reason == ErrorReason.ERROR_REASON_REVISION_OUT_OF_RANGE
    async with aclosing(world.watching.watch(WatchQuery(selection_of(""), 0, heartbeat_seconds=3600.0))) as anew:
        assert await asyncio.wait_for(up_to_bookmark(anew), 60) == set()
    await world.stop()
