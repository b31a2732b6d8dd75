"""A list has each operation once, also one that is tried again while the list is made."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.listing import Listing
from services.operations.lists.snapshots import Snapshot, Snapshots
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.retry.attempt_units import NewAttempt
from services.operations.retry.next_attempt import next_attempt
from services.operations.store import Store
from tests.support.fake_clock import FakeClock

ID = "0123456789ab"


class Interrupted(Snapshots):
    """Snapshots before or behind which something happens."""

    def __init__(self, path: Path, happens: Callable[[], Awaitable[None]], *, before: bool) -> None:
        super().__init__(path)
        self._happens = happens
        self._before = before

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Snapshot]:
        if self._before:
            await self._happens()
        async with super().take() as snapshot:
            if not self._before:
                await snapshot.ask(lambda connection: connection.execute("SELECT count(*) FROM operations").fetchone())
                await self._happens()
            yield snapshot


@pytest.mark.parametrize(("before", "attempt"), [(True, 2), (False, 1)])
async def test_an_operation_that_is_tried_again_meanwhile_is_listed(tmp_path: Path, before: bool, attempt: int) -> None:
    clock, path = FakeClock(), tmp_path / "store.sqlite3"
    store = await Store.open(path)
    registry = await Registry.load(store, clock)
    record = pb.Operation(id=ID, attempt=1, session_id=f"{ID}-1", type=pb.OPERATION_TYPE_TRAINING, revision=1)
    record.create_time.FromDatetime(clock.now())
    state = OperationState(record, Delivery.ACCEPTED, host_uid="uid")
    state.end(State.STATE_FAILED, clock.now())
    await registry.insert(LiveOperation(state))
    ended = (await store.read.operation(ID)) or state

    async def retry() -> None:
        operation = LiveOperation(next_attempt(ended, pb.RetryOperationRequest(), "", clock.now()))
        await registry.commits.commit(NewAttempt(registry, operation, ended, None))

    snapshots = Interrupted(path, retry, before=before)
    page = await Listing(registry, snapshots, Presenter({}, clock)).page(page_size=10, page_token="", filter_text="")
    assert [(one.id, one.attempt) for one in page.operations] == [(ID, attempt)]
    assert page.total_size == 1
    snapshots.close()
    await store.close()
