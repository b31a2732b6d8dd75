"""Who cancels one attempt cancels no other, also one that begins meanwhile."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.cancellation import Cancellation
from services.operations.inspection import Inspection
from services.operations.live_operation import LiveOperation
from services.operations.longrunning.facade import LongRunning
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.retry.attempt_units import NewAttempt
from services.operations.retry.next_attempt import next_attempt
from services.operations.store import Store
from tests.support.fake_clock import FakeClock

ID = "0123456789ab"


class RetriedMeanwhile(Inspection):
    """Tells an operation that somebody tries again as soon as it is told."""

    registry: Registry

    async def get(self, operation_id: str, **options: Any) -> pb.Operation:
        told = await super().get(operation_id, **options)
        if told.attempt == 1:
            found = await self.registry.get(operation_id)
            ended = (found.state if isinstance(found, LiveOperation) else found).copy()
            operation = LiveOperation(next_attempt(ended, pb.RetryOperationRequest(), "", FakeClock().now()))
            await self.registry.commits.commit(NewAttempt(self.registry, operation, ended, None))
        return told


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    clock = FakeClock()
    store = await Store.open(tmp_path / "store.sqlite3")
    registry = await Registry.load(store, clock)
    state = OperationState(pb.Operation(id=ID, attempt=1, session_id=f"{ID}-1"), Delivery.ACCEPTED, host_uid="uid")
    state.end(State.STATE_FAILED, clock.now())
    await registry.insert(LiveOperation(state))
    yield registry
    await store.close()


def long_running(registry: Registry) -> LongRunning:
    clock, presenter = FakeClock(), Presenter({}, FakeClock())
    inspection = RetriedMeanwhile(registry, {}, {}, presenter, clock)
    inspection.registry = registry
    wishes: Any = SimpleNamespace(pursue=lambda _operation: None)
    nothing: Any = None
    return LongRunning(inspection, nothing, Cancellation(registry, wishes, presenter, clock), nothing)


@pytest.mark.parametrize(("name", "state"), [(f"operations/{ID}@1", State.STATE_PENDING), (f"operations/{ID}", None)])
async def test_an_attempt_that_follows_meanwhile_goes_on(
    registry: Registry, name: str, state: "State.ValueType | None"
) -> None:
    await long_running(registry).cancel(name)
    found = await registry.get(ID)
    assert found.record.attempt == 2
    assert found.record.state == (State.STATE_CANCELLED if state is None else state)
