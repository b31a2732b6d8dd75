"""Names of long-running operations, and what operations look like in the stock contract."""

import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import ib_pb2
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1 import training_pb2

from services.common.errors import ServiceError
from services.operations.longrunning.names import OperationName, check_collection, check_whole, parse_name
from services.operations.longrunning.translation import earlier_attempt, long_running

State = pb.Operation.State
NAME = OperationName("0123456789ab")


@given(
    operation_id=st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=1, max_size=20),
    attempt=st.none() | st.integers(1, 999_999_999),
)
def test_names_are_read_as_they_are_written(operation_id: str, attempt: int | None) -> None:
    name = OperationName(operation_id, attempt)
    assert parse_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    ["", "a", "operations", "operations/", "operations/a/b", "operations/a@0", "operations/a@-1", "operations/a@"],
)
def test_other_texts_are_no_names(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_name(text)
    assert caught.value.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    assert [field.field for field in caught.value.fields] == ["name"]


def test_there_is_one_collection_and_attempts_are_parts_of_it() -> None:
    check_collection("")
    check_collection("operations")
    check_whole(NAME)
    with pytest.raises(ServiceError):
        check_collection("operations/x")
    with pytest.raises(ServiceError, match="not deleted by itself"):
        check_whole(OperationName("x", 1))


@pytest.mark.parametrize(
    "state", [State.STATE_PENDING, State.STATE_QUEUED, State.STATE_RUNNING, State.STATE_CANCELLING]
)
def test_what_goes_on_is_not_done(state: "pb.Operation.State.ValueType") -> None:
    told = long_running(NAME, pb.Operation(id="x", state=state))
    assert not told.done
    assert told.WhichOneof("result") is None


@pytest.mark.parametrize(
    ("field", "result"),
    [
        ("training_result", training_pb2.TrainingResult(epochs=3)),
        ("data_load_result", ib_pb2.DataLoadResult(source=1)),  # type: ignore[arg-type]  # the number of the enum
    ],
)
def test_the_result_is_the_response_and_not_in_the_metadata(
    field: str, result: training_pb2.TrainingResult | ib_pb2.DataLoadResult
) -> None:
    record = pb.Operation(id="x", state=State.STATE_COMPLETED, display_name="mine")
    getattr(record, field).CopyFrom(result)
    told = long_running(NAME, record)
    assert (told.name, told.done) == ("operations/0123456789ab", True)
    unpacked = type(result)()
    assert told.response.Unpack(unpacked)
    assert unpacked == result
    metadata = pb.Operation()
    assert told.metadata.Unpack(metadata)
    assert metadata == pb.Operation(id="x", state=State.STATE_COMPLETED, display_name="mine")


def test_done_always_has_a_response_or_an_error() -> None:
    assert long_running(NAME, pb.Operation(state=State.STATE_COMPLETED)).response.Is(Empty.DESCRIPTOR)
    assert long_running(NAME, pb.Operation(state=State.STATE_CANCELLED)).error.code == code_pb2.CANCELLED
    assert long_running(NAME, pb.Operation(state=State.STATE_FAILED)).error.code == code_pb2.UNKNOWN


def test_what_was_stopped_is_cancelled_whatever_its_result() -> None:
    record = pb.Operation(state=State.STATE_CANCELLED, error=status_pb2.Status(code=code_pb2.ABORTED, message="why"))
    record.training_result.epochs = 2
    told = long_running(NAME, record)
    assert (told.error.code, told.error.message) == (code_pb2.CANCELLED, "why")


def test_an_earlier_attempt_is_as_it_ended() -> None:
    record = pb.Operation(id="x", state=State.STATE_RUNNING, attempt=3, labels={"a": "b"}, host="new", strategy="s")
    record.training.strategy = "name: changed"
    past = record.past_attempts.add(attempt=1, state=State.STATE_COMPLETED, host="old", session_id="x-1")
    past.training_result.epochs = 7
    past.end_time.seconds = 5
    record.past_attempts.add(attempt=2, state=State.STATE_FAILED, error=status_pb2.Status(code=8, message="full"))
    first, second = earlier_attempt(record, 1), earlier_attempt(record, 2)
    assert first is not None
    assert second is not None
    assert (first.attempt, first.host, first.session_id, dict(first.labels)) == (1, "old", "x-1", {"a": "b"})
    assert first.WhichOneof("spec") is None
    assert (first.training_result.epochs, first.end_time.seconds) == (7, 5)
    assert not first.HasField("start_time")
    assert long_running(OperationName("x", 2), second).error.message == "full"
    assert earlier_attempt(record, 4) is None
