"""However a watch is broken off and resumed, it misses nothing and repeats nothing.

Operations change, end, are stored, fall out of memory; watches come and go. A watcher that keeps the latest state of
each operation ends up with exactly what the registry has.
"""

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.watches import WatchLimit
from services.operations.change_index import ChangeIndex
from services.operations.demand import Demand
from services.operations.filters import parse_filter
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.watching import Watching, WatchQuery
from tests.support.fake_clock import FakeClock

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "show", "show", "change", "end", "slow_commit", "read", "read", "break", "restart"]),
        st.integers(0, 5),
    ),
    min_size=8,
    max_size=40,
)


class World:
    """A registry that keeps few ended operations in memory, and one watcher."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.seen: dict[str, pb.Operation] = {}
        self.last = 0
        self.revisions: list[int] = []
        self.stream: AsyncGenerator[pb.WatchOperationsResponse, None] | None = None
        self.created = 0
        self.commits: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.store = await Store.open(self.folder / "store.sqlite3")
        self.registry = await Registry.load(self.store, self.clock)
        index = self.registry.index
        self.registry.index = ChangeIndex(floor=index.floor, recently_ended=2)
        for operation in self.registry.live.values():
            self.registry.index.touch(operation)
        self.stopping = asyncio.Event()
        self.watching = Watching(
            self.registry,
            self.store.read,
            Presenter({}, self.clock),
            Demand(),
            WatchLimit(10),
            self.stopping,
            self.clock,
            random.Random(1),
        )

    async def stop(self) -> None:
        await asyncio.gather(*self.commits)
        await self.break_off()
        await self.store.close()

    async def step(self, name: str, number: int) -> None:
        operations = list(self.registry.live.values())
        chosen = operations[number % len(operations)] if operations else None
        match name, chosen:
            case "create", _:
                await self.create()
            case "show", LiveOperation():
                self.registry.show(chosen, step_text(number))
            case "change", LiveOperation():
                await self.registry.change(chosen, named(f"changed {number}"))
            case "end", LiveOperation():
                await self.registry.change(chosen, ended)
            case "slow_commit", LiveOperation():
                # What is shown while a transaction runs must wait for it, and must not be lost behind it.
                self.commits.add(asyncio.create_task(self.registry.change(chosen, named(f"slow {number}"))))
                await asyncio.sleep(0)
                for other in operations:
                    self.registry.show(other, step_text(number + 100))
            case "read", _:
                await self.read()
            case "break", _:
                await self.break_off()
            case "restart", _:
                await self.restart()

    async def create(self) -> None:
        self.created += 1
        record = pb.Operation(id=f"op{self.created}", state=State.STATE_RUNNING, attempt=1)
        record.create_time.FromDatetime(self.clock.now() + timedelta(seconds=self.created))
        await self.registry.insert(LiveOperation(OperationState(record)))

    async def read(self) -> bool:
        """Read one message; return whether there was one."""
        if self.stream is None:
            query = WatchQuery(self.last, parse_filter(""), frozenset(), heartbeat_seconds=60.0)
            self.stream = self.watching.watch(query)
        reading = asyncio.ensure_future(anext(self.stream))
        done, _ = await asyncio.wait({reading}, timeout=0.05)
        if not done:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            self.stream = None
            return False
        self.take(reading.result())
        return True

    def take(self, response: pb.WatchOperationsResponse) -> None:
        told = [operation.revision for operation in response.operations]
        assert told == sorted(told)
        assert all(self.last < revision <= response.revision for revision in told)
        assert response.revision >= self.last
        self.revisions += told
        self.last = response.revision
        self.seen |= {operation.id: operation for operation in response.operations}

    async def break_off(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()
            self.stream = None

    async def restart(self) -> None:
        await self.stop()
        self.commits.clear()
        await self.start()

    async def check(self) -> None:
        await asyncio.gather(*self.commits)
        await self.break_off()
        query = WatchQuery(self.last, parse_filter(""), frozenset(), heartbeat_seconds=60.0)
        async with contextlib.aclosing(self.watching.watch(query)) as stream:
            async for response in stream:
                self.take(response)
                if response.bookmark:
                    break
        assert len(self.revisions) == len(set(self.revisions)), "a revision came twice"
        for number in range(1, self.created + 1):
            now = (await self.registry.get(f"op{number}")).record
            seen = self.seen[now.id]
            # Progress that was shown and not stored is gone after a restart, and hosts tell it again.
            assert (seen.state, seen.display_name) == (now.state, now.display_name)
            assert seen.revision >= now.revision


def step_text(number: int) -> Callable[[OperationState], bool]:
    def change(state: OperationState) -> bool:
        state.record.progress.step = f"step {number}"
        return True

    return change


def named(name: str) -> Change:
    def change(state: OperationState) -> None:
        state.record.display_name = name

    return change


def ended(state: OperationState) -> None:
    state.record.state = State.STATE_COMPLETED


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_watch_misses_nothing_and_repeats_nothing(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            await world.start()
            for step, number in steps:
                await world.step(step, number)
            await world.check()
            await world.stop()

    asyncio.run(run())
