"""A session of an operation is known as such, whatever becomes of the operation's next attempt at that moment."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.known_sessions import KnownSessions
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.retry.attempt_units import NewAttempt, Withdrawal
from services.operations.retry.next_attempt import next_attempt
from services.operations.store import Store
from services.operations.store_reader import SessionQuestions
from tests.support.fake_clock import FakeClock

ID = "0123456789ab"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Store, Registry]]:
    store = await Store.open(path)
    try:
        yield store, await Registry.load(store, FakeClock())
    finally:
        await store.close()


async def test_the_session_of_an_attempt_before_is_known_while_the_next_one_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeClock().now()
    async with opened(tmp_path / "store.sqlite3") as (store, registry):
        before = OperationState(pb.Operation(id=ID, attempt=1, session_id=f"{ID}-1"), Delivery.ACCEPTED, host_uid="uid")
        before.end(State.STATE_FAILED, now)
        await registry.insert(LiveOperation(before))
        operation = LiveOperation(next_attempt(before, pb.RetryOperationRequest(), "", now))
        await registry.commits.commit(NewAttempt(registry, operation, before, None))
        ask = SessionQuestions.sessions

        async def take_back(questions: SessionQuestions, host_uid: str, ids: Sequence[str]) -> list[OperationState]:
            found = await ask(questions, host_uid, ids)
            await registry.commits.commit(Withdrawal(registry, operation, before, ""))
            return found

        monkeypatch.setattr(SessionQuestions, "sessions", take_back)
        known = await KnownSessions.read(store.read, "uid", [f"{ID}-1"])
        assert known.abandoned or known.operation_of(f"{ID}-1")
