"""A registry with its trends, and one training whose every word and silence a test decides."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import Verdict, VerdictKind

from services.operations.amendment.amendment import Amendment
from services.operations.followed_host import FollowedHost
from services.operations.identifiers import derived_operation_id
from services.operations.intake import Intake
from services.operations.reading import Reading
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.trends.board import TrendBoard
from services.operations.trends.diagnosis import Diagnosis
from services.operations.trends.late import LateVerdicts
from services.operations.trends.series_names import DEFAULT_NAMES
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS
from services.operations.turns import Turns
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

SECOND_NS = 1_000_000_000


class TrendWorld:
    """Everything between a host's answers and the verdicts, real but for the time and the host.

    Args:
        folder: Where the store is.
        stop_on: What the training is stopped on.
        refresh_seconds: Time after which evidence that has changed is told.
    """

    def __init__(self, folder: Path, *, stop_on: tuple[int, ...] = (), refresh_seconds: float = 5.0) -> None:
        self._path = folder / "store.sqlite3"
        self._refresh_seconds = refresh_seconds
        self.stop_on = stop_on
        self.clock = FakeClock()
        self.session = Session(
            id="mine", kind=HostKind.HOST_KIND_TRAINING, state=Session.State.STATE_RUNNING, incarnation="a" * 32
        )
        self.operation_id = derived_operation_id("uid", "mine")
        self.seq = 0
        self.answers = 0
        self.reasons: list[str] = []

    async def start(self) -> None:
        """Begin, or begin again after a crash."""
        self.store = await Store.open(self._path)
        self.registry = await Registry.load(self.store, self.clock)
        self.host = FollowedHost("gpu", "address", 20.0, host_uid="uid")
        if stored := (await self.store.read.hosts()).get("gpu"):
            self.host.reading = Reading(stored.cursor, complete=bool(stored.cursor))
        hosts = {"gpu": self.host}
        self.board = TrendBoard(
            self.registry,
            self.store.read,
            hosts,
            self,
            self.clock,
            thresholds=DEFAULT_THRESHOLDS,
            names=DEFAULT_NAMES,
            interval_seconds=3600.0,  # a test says when to look
            refresh_seconds=self._refresh_seconds,
        )
        self.diagnosis = Diagnosis(self.registry, self.store.read, self.board, DEFAULT_THRESHOLDS, DEFAULT_NAMES)
        self.intake = Intake(self.registry, self.store.read, self.clock, self.board.closing)
        amendment = Amendment(self.registry, Turns())
        self.board.start(
            LateVerdicts(self.registry, self.store.read, amendment, DEFAULT_THRESHOLDS, DEFAULT_NAMES, self.clock)
        )

    async def stop(self) -> None:
        """End everything but what is stored."""
        await self.board.close()
        await self.registry.commits.settled()
        await self.store.close()

    async def restart(self) -> None:
        """Crash, and begin again; wait until the trends are known again."""
        await self.stop()
        await self.start()
        await eventually(lambda: not self.board.behind)

    async def cancel(self, operation_id: str, *, reason: str, urgent: bool) -> pb.Operation:
        """Take a wish to stop, as `Cancellation` does, and note why."""
        self.reasons.append(reason)
        operation, now = self.registry.live[operation_id], self.clock.now()
        await self.registry.change(operation, lambda state: state.ask_to_stop(reason, urgent=urgent, now=now))
        return operation.record

    async def report(self, step: int, values: Mapping[str, float], *, after_seconds: float = 10.0) -> None:
        """Let time pass, and the training report a row, which the host tells at once."""
        self.clock.advance(after_seconds)
        time_ns = round(self.clock.now().timestamp() * SECOND_NS)
        del self.session.metrics[:]
        for name, value in values.items():
            self.session.metrics.add(name=name, first_seq=self.seq, steps=[step], values=[value], times=[time_ns])
        self.seq += 1
        await self.answer(self.session)

    async def epochs(self, first: int, last: int, **values: float) -> None:
        """Let the training report epochs with losses that fall, or with these values."""
        for epoch in range(first, last + 1):
            await self.report(epoch, values or {"train_loss": 1 / epoch, "val_loss": 1 / epoch})

    async def answer(self, *sessions: Session) -> None:
        """Let the host answer a poll."""
        self.answers += 1
        response = GetStatusResponse(
            host=Host(host_uid="uid"), sessions=sessions, snapshot_complete=True, next_cursor=f"{self.answers}".encode()
        )
        now = self.clock.monotonic()
        await self.intake.take(self.host, self.host.reading.cursor, response, asked_at=now)
        self.host.last_success, self.host.failures = self.clock.monotonic(), 0

    async def silence(self, seconds: float) -> None:
        """Let time pass in which the host answers, and tells nothing."""
        while seconds > 0:
            self.clock.advance(min(10.0, seconds))
            seconds -= 10.0
            await self.answer()

    async def end(self, state: "Session.State.ValueType" = Session.State.STATE_COMPLETED) -> pb.Operation:
        """Let the training end now, and return the operation."""
        del self.session.metrics[:]
        self.session.state, self.session.final = state, True
        self.session.end_time.FromDatetime(self.clock.now())
        await self.answer(self.session)
        return await self.stored()

    async def looked(self) -> dict[str, Verdict]:
        """Look at the trends, and return the verdicts of the operation by kind."""
        if self.stop_on and not self.record.stop_on:
            self.record.stop_on.extend(self.stop_on)  # type: ignore[arg-type]  # enum values are ints at run time
        await self.board.look()
        await asyncio.sleep(0)
        await self.registry.commits.settled()
        return by_kind(self.record)

    @property
    def record(self) -> pb.Operation:
        """The operation as it is shown."""
        return self.registry.live[self.operation_id].record

    async def stored(self) -> pb.Operation:
        """Return the operation as it is stored."""
        state = await self.store.read.operation(self.operation_id)
        assert state is not None
        return state.record

    async def diagnosed(self) -> list[Verdict]:
        """Return what a run over the history finds."""
        found = await self.diagnosis.diagnose(pb.DiagnoseOperationRequest(operation_id=self.operation_id))
        return list(found.verdicts)


def by_kind(record: pb.Operation) -> dict[str, Verdict]:
    """Return the verdicts of an operation by the name of their kind."""
    return {VerdictKind.Name(each.kind).removeprefix("VERDICT_KIND_"): each for each in record.verdicts}
