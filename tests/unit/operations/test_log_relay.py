"""Which session's log is meant by an attempt of an operation."""

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.log_relay import session_of
from services.operations.operation_state import Delivery, OperationState

ID = "0123456789ab"


def operation(session_id: str, attempt: int = 1, delivery: Delivery = Delivery.ACCEPTED) -> OperationState:
    record = pb.Operation(id=ID, session_id=session_id, attempt=attempt, state=pb.Operation.STATE_RUNNING)
    return OperationState(record, delivery)


@pytest.mark.parametrize(("attempt", "session"), [(0, f"{ID}-3"), (3, f"{ID}-3"), (1, f"{ID}-1"), (2, f"{ID}-2")])
def test_each_attempt_has_a_session_of_its_own(attempt: int, session: str) -> None:
    assert session_of(operation(f"{ID}-3", attempt=3), attempt) == session


def test_an_earlier_attempt_has_its_log_while_the_next_one_waits_for_a_host() -> None:
    waiting = operation(f"{ID}-2", attempt=2, delivery=Delivery.NEW)
    assert session_of(waiting, 1) == f"{ID}-1"
    with pytest.raises(ServiceError, match="No host has it yet"):
        session_of(waiting, 0)


def test_a_session_that_was_started_on_a_host_keeps_its_name() -> None:
    assert session_of(operation("my-run"), 0) == session_of(operation("my-run"), 1) == "my-run"


def test_an_attempt_that_there_never_was_is_refused() -> None:
    with pytest.raises(ServiceError, match="1 to 3"):
        session_of(operation(f"{ID}-3", attempt=3), 4)


def test_past_attempts_have_the_sessions_that_they_had() -> None:
    retried = operation(f"{ID}-3", attempt=3)
    retried.record.past_attempts.add(attempt=1, session_id="my-run", host="gpu")
    retried.record.past_attempts.add(attempt=2, session_id=f"{ID}-2")  # it was cancelled before any host had it

    assert session_of(retried, 1) == "my-run"
    with pytest.raises(ServiceError, match="No host has it yet"):
        session_of(retried, 2)
