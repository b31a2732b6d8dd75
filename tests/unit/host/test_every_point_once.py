"""Any readers, with any pages, over restarts of the host: each gets every point once, and every end last."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session
from ktrdr_bridge import Bridge

from services.common.clock import SystemClock
from services.common.files import write_atomically
from services.host.changes import ChangeSignal
from services.host.creation import create_session_folder
from services.host.host_identity import HostIdentity
from services.host.journal_watch import JournalWatch
from services.host.loading import load_sessions
from services.host.records import SessionRecord, StartRecord
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.settlement import Settlement
from services.host.settler import Settler
from services.host.status_feed import StatusFeed
from services.host.status_query import StatusQuery
from tests.support.status_reader import StatusReader

CLOCK: Final = SystemClock()


class World:
    """A host's status, with journals that the test writes itself.

    Args:
        home: The host's folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "sessions"
        self.bridges: dict[str, Bridge] = {}
        self.written: dict[str, list[tuple[int, float]]] = {}
        self.table = SessionTable()
        self.identity = HostIdentity(home)
        self.feed: StatusFeed
        self.settler: Settler

    async def open(self) -> None:
        """Begin a life of the host with what its folder holds."""
        self.table, self.identity = SessionTable(), HostIdentity(self.home)
        self.identity.open()
        changes = ChangeSignal()
        watch = JournalWatch(self.table, changes)
        self.feed = StatusFeed(self.table, identity=self.identity, changes=changes, watch=watch, clock=CLOCK)
        self.settler = Settler(self.identity, CLOCK, self.table.finish)
        self.settler.start()
        for each in load_sessions(self.root):
            session = HostedSession(each.folder, each.record, HOST_KIND_TRAINING)
            if each.settled is not None:
                session.settle(each.settled)
            elif each.start is not None:
                session.begin(each.start.start_time)
            self.table.add(session)

    async def close(self) -> None:
        """End this life."""
        await self.settler.stop()
        self.feed.close()
        for session in self.table:
            session.close()

    async def act(self, action: str, which: int, amount: int) -> None:
        """Let something happen to the host or its sessions."""
        if action == "start" and len(self.bridges) < 5:
            self.start()
        elif action == "write":
            self.write(which, amount)
        elif action == "settle":
            await self.settle(which)
        elif action == "restart":
            await self.close()
            await self.open()

    def start(self) -> None:
        """Start a session and its writer."""
        number = len(self.bridges)
        record = SessionRecord(
            id=f"s{number}",
            number=number,
            kind="training",
            attempt=1,
            labels={},
            request_id="",
            body_sha256="",
            create_time=CLOCK.now(),
            spec_type_url="type.googleapis.com/google.protobuf.Struct",
            spec=b"",
        )
        folder = create_session_folder(self.root, record, Struct())
        write_atomically(folder.start_record, StartRecord(start_time=CLOCK.now()).to_bytes())
        session = HostedSession(folder, record, HOST_KIND_TRAINING)
        session.begin(CLOCK.now())
        self.table.add(session)
        self.bridges[record.id] = Bridge.create(folder.journal, segment_bytes=2**16)
        self.written[record.id] = []

    def write(self, index: int, rows: int) -> None:
        """Let a writer write rows, of one metric or of two."""
        name = self._chosen(index)
        if name is None or self.is_settled(name):
            return
        for _ in range(rows):
            step = len(self.written[name]) + 1
            metrics = {"loss": step / 7} if step % 3 else {"loss": step / 7, "accuracy": 0.5}
            self.bridges[name].on_epoch(step, metrics)
            self.written[name].append((step, step / 7))

    async def settle(self, index: int) -> None:
        """End a session."""
        name = self._chosen(index)
        if name is None or self.is_settled(name):
            return
        self.bridges[name].close()
        session = self.table.get(name)
        assert session is not None
        await self.settler.settle(session, Settlement(Session.STATE_COMPLETED))

    def is_settled(self, name: str) -> bool:
        """Tell whether a session has ended."""
        session = self.table.get(name)
        return session is None or session.settled is not None

    async def ask(self, request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse:
        """Answer a reader."""
        return await self.feed.read(StatusQuery(request.cursor, frozenset(request.session_ids), request.page_points))

    def _chosen(self, index: int) -> str | None:
        names = sorted(self.bridges)
        return names[index % len(names)] if names else None


Action = tuple[str, int, int]
actions = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.just(0), st.just(0)),
        st.tuples(st.just("write"), st.integers(0, 5), st.sampled_from([1, 2, 7, 700])),
        st.tuples(st.just("settle"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 1), st.sampled_from([1, 2, 5, 50, 0])),
        st.tuples(st.just("lose an answer"), st.integers(0, 1), st.sampled_from([1, 3, 0])),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


async def play(home: Path, steps: Sequence[Action]) -> None:
    world = World(home)
    await world.open()
    readers = [StatusReader(world.ask), StatusReader(world.ask, page_points=11)]
    try:
        for action, which, amount in steps:
            if action in {"read", "lose an answer"}:
                answer = await readers[which].ask(page_points=amount)
                if action == "read":
                    readers[which].take(answer)
            else:
                await world.act(action, which, amount)
        await asyncio.gather(*(reader.drain() for reader in readers))
        for index in range(len(world.bridges)):
            await world.settle(index)
        for reader in readers:
            await reader.drain()
            check(world, reader)
    finally:
        await world.close()
        for bridge in world.bridges.values():
            bridge.close()


def check(world: World, reader: StatusReader) -> None:
    assert sorted(reader.finals) == sorted(world.bridges)
    assert not reader.resets
    for name, written in world.written.items():
        assert [point for _, point in sorted(reader.series(name, "loss").items())] == written
        assert len(reader.series(name, "accuracy")) == len(written) // 3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=actions)
def test_every_reader_gets_every_point_once(steps: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(play(Path(home), steps))


@pytest.mark.parametrize("pages", [[0], [1], [5, 0, 1]])
def test_a_reader_that_falls_far_behind_catches_up(tmp_path: Path, pages: list[int]) -> None:
    reads = [("read", 0, page) for page in pages]
    steps = [("start", 0, 0), ("start", 0, 0), ("write", 0, 1_500), *reads, ("write", 1, 300), ("settle", 0, 0), *reads]
    asyncio.run(play(tmp_path, steps))
