"""What a host tells while its earlier news are on their way into the store is stored with the next ones."""

import asyncio
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host
from ktrdr.host.v1.session_pb2 import HostKind, Session

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost
from services.operations.intake import Intake
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.unstored import STORE_EVERY_SECONDS
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock


class HeldWriter:
    """Writes to a store, and can be held up while a transaction is under way, or let it fail."""

    def __init__(self, store: Store) -> None:
        self._write = store.write
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.held = False
        self.fails = False

    async def write(self, changes: Changes) -> None:
        self.held = not self.goes_on.is_set()
        await self.goes_on.wait()
        self.held = False
        if self.fails:
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")
        await self._write(changes)


class World:
    """A registry with one host, which has one session at work.

    Args:
        store: The store.
        registry: What it has.
    """

    def __init__(self, store: Store, registry: Registry, clock: FakeClock) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self.writer = HeldWriter(store)
        store.write = self.writer.write  # type: ignore[method-assign]  # held up where the disk would be slow
        self.host = FollowedHost("gpu", "address", 20.0, host_uid="uid")
        self.intake = Intake(registry, store.read, clock)
        self._answers = 0

    async def tell(self, seq: int | None) -> None:
        """Let the host tell one more point of its session, or nothing new."""
        self._answers += 1
        answer = GetStatusResponse(
            host=Host(host_uid="uid"), snapshot_complete=True, next_cursor=b"cursor %d" % self._answers
        )
        if seq is not None:
            session = answer.sessions.add(
                id="s1", kind=HostKind.HOST_KIND_TRAINING, state=Session.State.STATE_RUNNING, incarnation="a" * 32
            )
            session.metrics.add(name="loss", first_seq=seq, steps=[seq], values=[float(seq)], times=[seq])
        await self.intake.take(self.host, self.host.reading.cursor, answer, asked_at=self.clock.monotonic())

    async def store_what_is_shown(self) -> None:
        """Let the time come at which everything is stored."""
        self.clock.advance(2 * STORE_EVERY_SECONDS)
        await self.tell(None)
        await self.registry.commits.settled()


async def open_world(path: Path) -> World:
    store, clock = await Store.open(path), FakeClock()
    return World(store, await Registry.load(store, clock), clock)


async def stored_points(path: Path) -> tuple[bytes, int]:
    """Return the host's cursor and the number of points as a registry finds them that starts after a crash."""
    world = await open_world(path)
    (operation,) = world.registry.live.values()
    cursor = (await world.store.read.hosts())["gpu"].cursor
    await world.store.close()
    return cursor, operation.stored_points


async def tell_while_a_transaction_runs(world: World) -> None:
    """Let the host tell its third point while the first two are on their way into the store."""
    await world.tell(0)
    world.writer.goes_on.clear()
    world.clock.advance(2 * STORE_EVERY_SECONDS)
    await world.tell(1)
    await eventually(lambda: world.writer.held)
    await world.tell(2)
    world.writer.goes_on.set()
    await world.registry.commits.settled()


async def test_points_that_come_while_others_are_stored_are_not_left_behind_the_cursor(tmp_path: Path) -> None:
    world = await open_world(tmp_path / "store.sqlite3")
    await tell_while_a_transaction_runs(world)
    await world.store_what_is_shown()  # the host goes on, and its session has nothing new to tell
    await world.store.close()  # a crash: nothing is stored any more

    assert await stored_points(tmp_path / "store.sqlite3") == (b"cursor 4", 3)


async def test_what_the_store_did_not_take_is_stored_with_what_came_meanwhile(tmp_path: Path) -> None:
    world = await open_world(tmp_path / "store.sqlite3")
    await world.tell(0)
    world.writer.goes_on.clear()
    world.writer.fails = True
    world.clock.advance(2 * STORE_EVERY_SECONDS)
    await world.tell(1)
    await eventually(lambda: world.writer.held)
    await world.tell(2)
    world.writer.goes_on.set()
    await world.registry.commits.settled()
    assert world.host.unstored.refused
    assert set(world.host.unstored.operations) == set(world.registry.live)
    assert (world.host.unstored.values, world.host.unstored.leaving) == (2, 0)
    with pytest.raises(ServiceError):
        await world.tell(None)  # from here on the host waits for the store

    world.writer.fails = False
    await world.tell(None)
    await world.store.close()
    assert await stored_points(tmp_path / "store.sqlite3") == (b"cursor 5", 3)


async def test_attempts_that_one_answer_tells_of_are_operations_of_their_own(tmp_path: Path) -> None:
    world = await open_world(tmp_path / "store.sqlite3")
    answer = GetStatusResponse(host=Host(host_uid="uid"), snapshot_complete=True, next_cursor=b"cursor")
    for number in (1, 2):  # of an operation that the store does not know any more
        answer.sessions.add(
            id=f"0123456789ab-{number}", kind=HostKind.HOST_KIND_TRAINING, state=Session.State.STATE_RUNNING
        )
    await world.intake.take(world.host, b"", answer, asked_at=world.clock.monotonic())
    sessions = {operation.record.session_id for operation in world.registry.live.values()}
    assert sessions == {"0123456789ab-1", "0123456789ab-2"}
    await world.store.close()
