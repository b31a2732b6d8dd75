"""Whatever happens between a host and the store, each point is stored once and in order, and ends are final.

Answers come twice, late, from the beginning; the store fails; the registry dies between answer and commit. The host
here is plain data, the registry and its SQLite file are real.
"""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost
from services.operations.history.histories import MetricHistories
from services.operations.history.query import MetricQuery
from services.operations.identifiers import derived_operation_id
from services.operations.intake import Intake
from services.operations.reading import Reading
from services.operations.registry import Registry
from services.operations.store import Store
from tests.support.fake_clock import FakeClock

STEPS = st.lists(
    st.sampled_from(["write", "answer", "answer", "repeat", "stale", "from_start", "store_fails", "crash", "end"]),
    min_size=5,
    max_size=25,
)


@dataclass
class PlainHost:
    """The rows of two sessions, and the answers that were given."""

    rows: dict[str, int] = field(default_factory=lambda: {"s1": 0, "s2": 0})
    ended: bool = False
    given: list[tuple[bytes, GetStatusResponse]] = field(default_factory=list)

    def write(self) -> None:
        """Let the sessions go on, unless they have ended."""
        if not self.ended:
            self.rows["s1"] += 1
            self.rows["s2"] += 2

    def answer(self, cursor: bytes, *, from_start: bool = False) -> GetStatusResponse:
        """Return what is new since `cursor`; at most two rows a session, so that answers are often incomplete."""
        after = dict(json.loads(cursor)) if cursor else {}
        response = GetStatusResponse(host=Host(host_uid="uid"), snapshot_complete=True)
        for session_id, count in self.rows.items():
            seq = 0 if from_start else after.get(session_id, 0)
            end = min(count, seq + 2)
            session = Session(
                id=session_id,
                kind=HostKind.HOST_KIND_TRAINING,
                state=Session.State.STATE_COMPLETED if self.ended else Session.State.STATE_RUNNING,
                incarnation="a" * 32,
                final=self.ended and end == count,
                reset=from_start,
            )
            if end > seq:
                seqs = range(seq, end)
                values = [float(number) for number in seqs]
                odd = [number for number in seqs if number % 2]
                session.metrics.add(name="loss", first_seq=seq, steps=seqs, values=values, times=seqs)
                if odd:
                    session.metrics.append(
                        MetricSeries(name="odd", first_seq=odd[0], seqs=odd, steps=odd, values=odd, times=odd)
                    )
            response.sessions.append(session)
            after[session_id] = end
        response.next_cursor = json.dumps(after).encode()
        return response


class Broken:
    """Makes the next write of a store fail."""

    def __init__(self, store: Store) -> None:
        self._write = store.write
        self.armed = False

    async def write(self, changes: Changes) -> None:
        if self.armed:
            self.armed = False
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")
        await self._write(changes)


class World:
    """A registry that can die, and its host."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite3"
        self.host = PlainHost()
        self.clock = FakeClock()
        self.ends: dict[str, bytes] = {}

    async def start(self) -> None:
        self.store = await Store.open(self.path)
        self.broken = Broken(self.store)
        self.store.write = self.broken.write  # type: ignore[method-assign]  # a fault, put where the disk would have it
        self.registry = await Registry.load(self.store, self.clock)
        stored = (await self.store.read.hosts()).get("gpu")
        self.followed = FollowedHost("gpu", "address", 20.0, host_uid="uid")
        if stored:
            self.followed.reading = Reading(stored.cursor, complete=bool(stored.cursor))
        self.intake = Intake(self.registry, self.store.read, self.clock)

    async def take(self, cursor: bytes, answer: GetStatusResponse) -> None:
        await self.intake.take(self.followed, cursor, answer, asked_at=self.clock.monotonic())

    async def poll(self, *, from_start: bool = False) -> None:
        cursor = self.followed.reading.cursor
        answer = self.host.answer(cursor, from_start=from_start)
        self.host.given.append((cursor, answer))
        await self.take(cursor, answer)

    async def poll_in_vain(self) -> None:
        self.broken.armed = True
        with contextlib.suppress(ServiceError):
            await self.poll()
        await self.registry.commits.settled()  # what nobody waits for fails too
        self.broken.armed = False

    async def step(self, name: str) -> None:
        self.clock.advance(1.0)
        match name:
            case "write":
                self.host.write()
            case "answer":
                await self.poll()
            case "repeat" | "stale" if self.host.given:
                late = -1 if name == "repeat" else len(self.host.given) // 2
                await self.take(*self.host.given[late])
            case "from_start":
                await self.poll(from_start=True)
            case "store_fails":
                await self.poll_in_vain()
            case "crash":
                await self.poll_in_vain()  # the answer is in memory, and shown; the commit never comes
                await self.store.close()
                await self.start()
            case "end":
                self.host.ended = True
        await self.check_ends()

    async def check_ends(self) -> None:
        """An operation that has ended never changes again."""
        for session_id in self.host.rows:
            operation_id = derived_operation_id("uid", session_id)
            state = await self.store.read.operation(operation_id)
            if state is not None and state.ended:
                row = state.row()["record"]
                assert isinstance(row, bytes)
                assert self.ends.setdefault(operation_id, row) == row

    async def check_points(self) -> None:
        for _ in range(100):
            await self.poll()
            if not self.registry.live or (not self.host.ended and self.is_up_to_date()):
                break
        histories = MetricHistories(self.registry, self.store.read)
        for session_id, count in self.host.rows.items():
            query = MetricQuery(derived_operation_id("uid", session_id), page_size=3)
            found = await every_page(histories.query, query)
            assert found["loss"] == list(range(count))
            assert found["odd"] == [number for number in range(count) if number % 2]
            record = (await self.registry.get(query.operation_id)).record
            assert record.metric_points == len(found["loss"]) + len(found["odd"])
            assert (record.state == pb.Operation.State.STATE_COMPLETED) is self.host.ended

    def is_up_to_date(self) -> bool:
        return all(
            operation.positions.next_seq.get("a" * 32, 0) == self.host.rows[operation.record.session_id]
            for operation in self.registry.live.values()
        )


async def every_page(ask: Callable[[MetricQuery], Awaitable[bytes]], query: MetricQuery) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"loss": [], "odd": []}
    token = ""
    while True:
        page = MetricQuery(query.operation_id, page_size=query.page_size, page_token=token)
        response = pb.QueryMetricsResponse.FromString(await ask(page))
        for history in response.series:
            found[history.points.name] += history.points.values
        token = response.next_page_token
        if not token:
            return found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_each_point_is_stored_once_and_in_order_and_ends_are_final(steps: list[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            await world.start()
            for step in steps:
                await world.step(step)
            await world.check_points()
            await world.registry.commits.settled()
            await world.store.close()

    asyncio.run(run())
