"""A registry with a host of plain data behind it, and readers that keep their view of it by watching."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.watches import WatchLimit
from services.operations.blocks import seqs_of
from services.operations.change_index import ChangeIndex
from services.operations.changes import Changes
from services.operations.deletion.deletion_unit import DeletionUnit, Doomed
from services.operations.deletion.loading import load_deletions
from services.operations.demand import Demand
from services.operations.filters import parse_filter
from services.operations.followed_host import FollowedHost
from services.operations.history.merging.blocks import JournalKey, blocks_of, merged, sizes_of
from services.operations.identifiers import derived_operation_id
from services.operations.intake import Intake
from services.operations.operation_state import OperationState
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.watching import Selection, Watching, WatchQuery
from services.operations.watching.sizes import Sizes
from services.operations.watching.stored_points import points_between
from services.operations.watching.told_blocks import ToldBlock
from tests.support.fake_clock import FakeClock

SMALL = Sizes(message_bytes=300, operations=2, tombstones=2, blocks=2, recent_values=6)
Points = dict[tuple[int, str, str, int], float]
"""Values by attempt, journal, series and sequence number."""


@dataclass
class Known:
    """What a reader knows of an operation."""

    record: pb.Operation
    points: Points = field(default_factory=dict)


class View:
    """A reader: it begins with a snapshot, resumes where it was, and reads the history of what is new to it."""

    def __init__(self, world: "WatchedWorld", selection: Selection) -> None:
        self._world = world
        self._selection = selection
        self._stream: AsyncGenerator[bytes, None] | None = None
        self._came: set[tuple[str, tuple[int, str, str, int]]] = set()
        self.known: dict[str, Known] = {}
        self.position = 0

    async def read(self, patience_seconds: float = 0.01) -> pb.WatchOperationsResponse | None:
        """Take in one message; return it, or None if none came: then the stream is broken off."""
        if self._stream is None:
            query = WatchQuery(self._selection, self.position, heartbeat_seconds=3600.0)
            self._stream = self._world.watching.watch(query)
        reading = asyncio.ensure_future(anext(self._stream))
        done, _ = await asyncio.wait({reading}, timeout=patience_seconds)
        if not done:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            self._stream = None
            return None
        response = pb.WatchOperationsResponse.FromString(reading.result())
        await self._take(response)
        return response

    async def break_off(self) -> None:
        """Close the stream, wherever it is."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def complete(self) -> None:
        """Watch anew up to the first bookmark."""
        await self.break_off()
        while (response := await self.read(10.0)) is not None and not response.bookmark:
            pass
        assert response is not None, "no bookmark came"
        await self.break_off()

    def seqs(self) -> set[tuple[str, int]]:
        """Return operation and sequence number of all points of the loss that came."""
        return {(operation_id, seq) for operation_id, (_, _, series, seq) in self._came if series == "loss"}

    async def _take(self, response: pb.WatchOperationsResponse) -> None:
        for record in response.operations:
            assert self.position < record.revision <= response.revision
            known = self.known.get(record.id)
            if known is None:
                known = self.known[record.id] = Known(record, await self._world.history(record.id))
            known.record = record
        for metrics in response.metrics:
            self._take_points(metrics)
        for left in response.left_filter:
            assert self.position < left.revision <= response.revision
            self.known.pop(left.operation_id, None)
        for deleted in response.deleted:
            self.known.pop(deleted.operation_id, None)
        assert response.revision >= self.position
        self.position = response.revision

    def _take_points(self, metrics: pb.OperationMetrics) -> None:
        came = points_of(metrics)
        for key in came:
            assert (metrics.operation_id, key) not in self._came, "a point came twice"
            self._came.add((metrics.operation_id, key))
        if known := self.known.get(metrics.operation_id):
            known.points |= came


def points_of(metrics: pb.OperationMetrics) -> Points:
    """Return the points of a message by what names them."""
    return {
        (metrics.attempt, metrics.incarnation, one.name, seq): value
        for one in metrics.series
        for seq, value in zip(seqs_of(one), one.values, strict=True)
    }


class WatchedWorld:
    """A registry that keeps little in memory, its host, and readers.

    Args:
        folder: For the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = FakeClock()
        self.views: list[View] = []
        self._rows: dict[str, int] = {}
        self._ended: set[str] = set()
        self._read: dict[str, int] = {}
        self._slow: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.store = await Store.open(self._folder / "store.sqlite3")
        self.registry = await Registry.load(self.store, self.clock)
        self.registry.index = ChangeIndex(self.registry.index.floor, recently_ended=2)
        for operation in self.registry.live.values():
            self.registry.index.touch(operation)
        self.registry.deleted = await load_deletions(self.store.read, kept=2)
        self.host = FollowedHost("gpu", "address", 20.0, host_uid="uid")
        self._read.clear()
        self.intake = Intake(self.registry, self.store.read, self.clock)
        self.watching = Watching(
            self.registry,
            self.store.read,
            Presenter({}, self.clock),
            Demand(),
            WatchLimit(10),
            asyncio.Event(),
            self.clock,
            random.Random(1),
            sizes=SMALL,
        )

    async def stop(self) -> None:
        await self.settle()
        for view in self.views:
            await view.break_off()
        await self.store.close()

    async def settle(self) -> None:
        """Wait until everything that was begun is stored."""
        await asyncio.gather(*self._slow)
        self._slow.clear()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def open(self) -> None:
        self._rows[f"s{len(self._rows)}"] = 0

    def write(self, number: int) -> None:
        if (session_id := self._chosen(number)) and session_id not in self._ended:
            self._rows[session_id] += 1 + number % 3

    def end(self, number: int) -> None:
        if session_id := self._chosen(number):
            self._ended.add(session_id)

    async def poll(self, *, slowly: bool = False) -> None:
        """Let the registry take in what the host has to tell."""
        response = GetStatusResponse(host=Host(host_uid="uid"), next_cursor=b"x")
        for session_id, count in self._rows.items():
            if self._read.get(session_id) == count + (10**6 if session_id in self._ended else 0):
                continue
            response.sessions.append(self._session(session_id, count))
            self._read[session_id] = count + (10**6 if session_id in self._ended else 0)
        self.host.reading = type(self.host.reading)(b"x")
        taking = asyncio.create_task(self._taken(response))
        if not slowly:
            await taking
            return
        self._slow.add(taking)
        await asyncio.sleep(0)
        # What is shown while a transaction runs must wait for it, and must not be lost behind it.
        for operation in self.registry.live.values():
            self.registry.show(operation, _stepped)

    async def rename(self, number: int) -> None:
        operations = list(self.registry.live.values())
        if operations:
            chosen = operations[number % len(operations)]
            await self.registry.change(chosen, _renamed("in" if number % 2 else "out"))

    async def delete(self, number: int) -> None:
        session_id = self._chosen(number)
        if session_id and session_id in self._ended and self._read.get(session_id, 0) >= 10**6:
            operation_id = derived_operation_id("uid", session_id)
            doomed = Doomed(operation_id, "uid", "gpu", session_id)
            unit = DeletionUnit(self.registry, [doomed], keep_sessions=True, now=self.clock.now())
            await self.registry.commits.commit(unit)

    async def merge(self, number: int) -> None:
        """Merge some neighbouring blocks of points of a session, as is done in the background."""
        if not (session_id := self._chosen(number)):
            return
        await self.settle()
        journal = JournalKey(derived_operation_id("uid", session_id), 1, "a" * 32)
        sizes = await sizes_of(self.store.read, journal)
        group = sizes[number % 2 :][: 2 + number % 3]
        if len(group) > 1:
            merge = merged(journal, await blocks_of(self.store.read, journal, group))
            await self.store.write(Changes(statements=merge.statements()))

    async def history(self, operation_id: str) -> Points:
        """Return all points of an operation, as a query for its history does."""
        page = await points_between(self.store.read, 0, 2**60, [operation_id], blocks=10_000)
        found: Points = {}
        whole = (ToldBlock(block, frozenset()).between(0, 2**60) for block in page.merged)
        for shown in [*page.points, *(shown for shown in whole if shown is not None)]:
            metrics = pb.OperationMetrics(attempt=shown.attempt, incarnation=shown.incarnation, series=shown.series)
            found |= points_of(metrics)
        return found

    async def truth(self, selection: Selection) -> dict[str, Known]:
        """Return what a reader should know."""
        found: dict[str, Known] = {}
        for session_id in self._rows:
            operation_id = derived_operation_id("uid", session_id)
            live = self.registry.index.get(operation_id)
            state = live.state if live else await self.store.read.operation(operation_id)
            if state is not None and selection.wants(state.record):
                found[operation_id] = Known(state.record, await self.history(operation_id))
        return found

    async def _taken(self, response: GetStatusResponse) -> None:
        await self.intake.take(self.host, b"x", response, asked_at=self.clock.monotonic())

    def _chosen(self, number: int) -> str | None:
        return list(self._rows)[number % len(self._rows)] if self._rows else None

    def _session(self, session_id: str, count: int) -> Session:
        ended = session_id in self._ended
        session = Session(
            id=session_id,
            kind=HostKind.HOST_KIND_TRAINING,
            state=Session.State.STATE_COMPLETED if ended else Session.State.STATE_RUNNING,
            incarnation="a" * 32,
            final=ended,
        )
        seqs = range(count)  # the registry drops what it knows
        if count:
            session.metrics.add(name="loss", first_seq=0, steps=seqs, values=[n / 2 for n in seqs], times=seqs)
            odd = seqs[::2]
            session.metrics.add(name="odd", first_seq=0, seqs=odd, steps=odd, values=[n / 4 for n in odd], times=odd)
        return session


def _stepped(state: OperationState) -> bool:
    state.record.progress.step += "."
    return True


def _renamed(name: str) -> Callable[[OperationState], None]:
    def change(state: OperationState) -> None:
        state.record.display_name = name

    return change


def selection_of(filter_text: str, *operation_ids: str) -> Selection:
    """Return a selection with metrics."""
    return Selection(parse_filter(filter_text), frozenset(operation_ids), include_metrics=True)
