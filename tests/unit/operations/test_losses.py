"""However hosts, sessions, clocks and crashes follow each other: only evidence that holds ends anything."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.followed_host import FollowedHost
from services.operations.host_errors import HostDoesNotAnswer, SessionUnknown
from services.operations.live_operation import LiveOperation
from services.operations.loss import no_loss, session_missing
from services.operations.losses import Graces, Losses
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from tests.support.fake_clock import FakeClock

GRACE, REPLACED_GRACE = 60.0, 900.0
STEPS = st.lists(
    st.sampled_from(
        ["gone", "told", "back", "silent", "answers", "wiped", "restored", "crash", "short", "long", "ages"]
    ),
    min_size=4,
    max_size=20,
)


class World:
    """One operation, its host, and a registry that can die."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite3"
        self.clock = FakeClock()
        self.host = FollowedHost("gpu", "a:1", 20.0, host_uid="uid")
        self.known = True
        self.silent = False

    async def get_session(self, session_id: str) -> Session:
        if self.silent:
            raise HostDoesNotAnswer("Nothing answers.")
        if not self.known or self.host.host_uid != "uid":
            raise SessionUnknown(session_id)
        return Session(id=session_id, state=Session.State.STATE_RUNNING)

    async def start(self, operation: LiveOperation | None = None) -> None:
        self.store = await Store.open(self.path)
        self.registry = await Registry.load(self.store, self.clock)
        if operation is not None:
            await self.registry.insert(operation)
        graces = Graces(GRACE, REPLACED_GRACE)
        self.losses = Losses(self.registry, {"gpu": self.host}, {"gpu": self}, self.clock, graces)
        self.losses.resume()

    @property
    def operation(self) -> LiveOperation | None:
        return self.registry.live.get("id")

    async def step(self, name: str) -> None:
        match name:
            case "gone":
                self.known = False
            case "told" if not self.known and self.operation is not None and self.host.host_uid == "uid":
                await self.losses.report(self.operation, self.host)
            case "back":
                self.known = True
            case "silent" | "answers":
                self.silent = name == "silent"
            case "wiped" | "restored":
                self.host.host_uid = "another" if name == "wiped" else "uid"
                self.losses.identities_changed()
            case "crash":
                await self.store.close()
                await self.start()
            case "short" | "long" | "ages":
                self.clock.advance({"short": 10.0, "long": GRACE, "ages": REPLACED_GRACE}[name])
        self.host.failures = 3 if self.silent else 0
        self.host.last_success = self.clock.monotonic()
        before = self.operation
        evidence = before.record.loss if before is not None else pb.Loss()
        await self.settle()
        if before is not None and self.operation is None:
            self.check_end(before, evidence)

    async def settle(self) -> None:
        for _ in range(2):
            await self.losses.look()
            while self.losses.is_asking:  # noqa: ASYNC110 - each turn of the loop lets the answers come further
                await asyncio.sleep(0)

    def check_end(self, operation: LiveOperation, evidence: pb.Loss) -> None:
        """An operation that has just ended was lost, for long enough, before the eyes of a host that answers."""
        assert operation.record.state == State.STATE_FAILED
        assert not self.silent
        held = (self.clock.now().timestamp()) - operation.record.loss.since.ToDatetime().timestamp()
        replaced = evidence.rule == pb.Loss.Rule.RULE_HOST_REPLACED
        assert held >= (REPLACED_GRACE if replaced else GRACE)
        assert (self.host.host_uid != "uid") is replaced
        assert replaced or not self.known


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_only_evidence_that_holds_for_its_grace_ends_an_operation(steps: list[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            record = pb.Operation(id="id", host="gpu", session_id="s", attempt=1, state=State.STATE_RUNNING)
            await world.start(LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid")))
            try:
                for step in steps:
                    await world.step(step)
                ended = world.operation is None
                for step in ("restored", "back", "answers", "long"):  # at the end of the grace it is asked again
                    await world.step(step)
                assert (world.operation is None) is ended
                assert ended or (world.operation is not None and not world.operation.record.HasField("loss"))
            finally:
                await world.store.close()

    asyncio.run(run())


def test_evidence_is_kept_from_its_first_sight_and_taken_back_as_a_whole() -> None:
    clock = FakeClock()
    state = OperationState(pb.Operation(id="id", session_id="s"), host_uid="uid")
    host = FollowedHost("gpu", "a:1", 20.0, host_uid="uid")
    session_missing(host, "s", clock.now())(state)
    first = state.record.loss.since.ToJsonString()
    clock.advance(30)
    session_missing(host, "s", clock.now())(state)
    assert state.record.loss.since.ToJsonString() == first
    no_loss(state)
    assert not state.record.HasField("loss")
