"""A gateway, a host and a load: what a case is played with. All of them live by one clock, which runs fast."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ktrdr.host.v1 import host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from services.ib_host.store.bar_store import BarStore
from tests.fault_matrix.cases import SCENES, Case, Mode
from tests.support.eventually import eventually
from tests.support.ib_host import IbHost
from tests.support.scaled_clock import ScaledClock

SPEED: Final = 40.0
"""Seconds of the case that pass in a second, as long as nobody asks for recovery times: what takes processor time takes
as many times longer by this clock."""

_PATIENCE_SECONDS: Final = 100.0
"""Real time that a load gets: several violations of IB's pacing are punished with ten minutes each."""
LEAVE_OUT: Final = frozenset({"no_data", "gap"})
"""Faults by which the gateway says that bars do not exist."""

Row = tuple[datetime, float, float, float, float, float]
"""Time, open, high, low, close, volume."""


@dataclass
class Played:
    """What came of a case.

    Attributes:
        case: the case.
        first: the session of the load that met the fault.
        seconds: how long it took, by its own clock.
        fired: how often each fault happened.
        after_first: the stored bars then.
        unknown: what the ledger then says is not known, as [start, end).
        second: the session of the same load, asked for again without faults.
        after_second: the stored bars then.
        source: the bars that the gateway had in the end.
        open_requests: requests that the host went on waiting for; not its own question for the time, now and then.
    """

    case: Case
    first: Session = field(default_factory=Session)
    seconds: float = 0.0
    fired: Mapping[str, int] = field(default_factory=dict)
    after_first: Sequence[Row] = ()
    unknown: Sequence[tuple[datetime, datetime]] = ()
    second: Session = field(default_factory=Session)
    after_second: Sequence[Row] = ()
    source: Sequence[Row] = ()
    open_requests: int = 0


async def prepare(scene_name: str, home: Path) -> None:
    """Store the bars that a scene has before its faults begin."""
    scene, clock = SCENES[scene_name], ScaledClock(SPEED)
    spec = Case((), Mode.MODE_RANGE, scene_name).spec
    spec.start_time.FromDatetime(scene.stored[0])
    spec.end_time.FromDatetime(scene.stored[1])
    settings = ReplaySettings(port=0, data=scene.data)
    async with ReplayServer(settings, wall_clock=clock) as gateway, _host(home, gateway, clock) as host:
        prepared = await host.load(spec)
        assert prepared.state == Session.STATE_COMPLETED, prepared.error.message


async def play(case: Case, home: Path, *, prepared: Path, speed: float = SPEED) -> Played:
    """Load while a fault is about, and load again when it is gone.

    Args:
        case: what to play.
        home: an empty folder.
        prepared: a home with the bars that are stored before; it is copied.
        speed: seconds of the case that pass in a second.
    """
    scene, played, clock = SCENES[case.scene], Played(case), ScaledClock(speed)
    shutil.copytree(prepared / "data", home / "data")
    settings = ReplaySettings(port=0, data=scene.data)
    async with ReplayServer(settings, faults=Faults(seed=case.seed), wall_clock=clock) as gateway:
        for rule in case.rules:
            gateway.add_fault(rule)
        async with _host(home, gateway, clock) as host:
            began = clock.monotonic()
            played.first = await host.load(case.spec, timeout_seconds=_PATIENCE_SECONDS)
            played.seconds = clock.monotonic() - began
            played.open_requests = await _left_open(host)
            await eventually(lambda: not gateway.open_queries)
            played.fired = {count.rule.name: count.fired for count in gateway.faults.counts}
            played.after_first, played.unknown = _stored(home, case)
            gateway.clear_faults()
            played.second = await host.load(_again(case), timeout_seconds=_PATIENCE_SECONDS)
        played.after_second, _ = _stored(home, case)
        bars = gateway.history.bars("AAPL", scene.size)
        played.source = [
            (_time(bar), bar.open, bar.high, bar.low, bar.close, float(bar.volume))
            for bar in bars
            if case.reach[0] <= _time(bar) < case.reach[1]
        ]
    return played


async def _left_open(host: IbHost) -> int:
    """Return the fewest requests that are open at a time; none, as soon as there are none within half a minute."""
    counts: list[int] = []

    async def look() -> bool:
        counts.append((await host.gateway()).open_requests)
        return counts[-1] == 0

    with contextlib.suppress(AssertionError):
        await eventually(look, timeout_seconds=30.0)
    return min(counts)


@asynccontextmanager
async def _host(home: Path, gateway: ReplayServer, clock: ScaledClock) -> AsyncIterator[IbHost]:
    settings = IbHostSettings(
        home=home,
        port=0,
        gateway=gateway.address,
        grace_seconds=0.5,
        connect_timeout_seconds=0.25,
        history_timeout_seconds=10.0,
        request_timeout_seconds=5.0,
        heartbeat_seconds=10.0,
    )
    async with (
        running_server(IbHostService(settings), settings, clock=clock) as server,
        open_channel(server.address) as channel,
    ):
        yield IbHost(server.address, ib_pb2_grpc.IbHostServiceStub(channel), host_pb2_grpc.HostServiceStub(channel))


def _again(case: Case) -> ib_pb2.DataLoadSpec:
    """Return the same load; or, after a gateway has told that bars do not exist, one that does not believe it."""
    spec = ib_pb2.DataLoadSpec()
    spec.CopyFrom(case.spec)
    if LEAVE_OUT.intersection(case.faults):
        spec.mode, spec.reload = Mode.MODE_FULL, True
        spec.start_time.FromDatetime(case.reach[0])
        spec.end_time.FromDatetime(case.reach[1])
    return spec


def _stored(home: Path, case: Case) -> tuple[list[Row], list[tuple[datetime, datetime]]]:
    store = BarStore(home)
    (dataset,) = store.list_all().datasets
    snapshot = store.open(dataset.key)
    assert snapshot is not None
    rows: list[Row] = []
    with snapshot:
        for table in snapshot.tables():
            columns: list[list[Any]] = [
                table.column(name).to_pylist() for name in ("time", "open", "high", "low", "close", "volume")
            ]
            rows += zip(*columns, strict=True)
    ledger = DatasetLedger.open(store.folder(dataset.key))
    return rows, [(span.start, span.end) for span in ledger.unknown(*case.reach)]


def _time(bar: Any) -> datetime:
    if bar.start is not None:
        start: datetime = bar.start.astimezone(UTC)
        return start
    return datetime(bar.session.year, bar.session.month, bar.session.day, tzinfo=UTC)
