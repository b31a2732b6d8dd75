"""What a host tells about a session, as the registry tells it."""

from datetime import UTC, datetime

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.session_pb2 import HostKind, Progress, Session
from ktrdr.ib.v1.ib_pb2 import DataLoadResult, DataLoadSpec
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult, TrainingSpec

from services.operations.session_update import end_with_session, is_final, new_record, show_session

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
State = pb.Operation.State
Told = Session.State


def packed(message: Message) -> Any:
    result = Any()
    result.Pack(message)
    return result


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (Told.STATE_QUEUED, State.STATE_QUEUED),
        (Told.STATE_RUNNING, State.STATE_RUNNING),
        (Told.STATE_CANCELLING, State.STATE_CANCELLING),
        (Told.STATE_COMPLETED, State.STATE_PENDING),  # the end is shown when it is stored
        (Told.STATE_UNSPECIFIED, State.STATE_PENDING),
    ],
)
def test_states_at_work_are_shown_and_ends_are_not(told: "Told.ValueType", shown: "State.ValueType") -> None:
    record = pb.Operation(state=State.STATE_PENDING)
    show_session(record, Session(id="s", state=told), "gpu", NOW)
    assert record.state == shown


def test_who_was_asked_to_stop_is_cancelling_until_the_host_confirms() -> None:
    record = pb.Operation(state=State.STATE_CANCELLING, cancel_requested=True, cancel_reason="mine")
    show_session(record, Session(id="s", state=Told.STATE_RUNNING, cancel_reason="other"), "gpu", NOW)
    assert record.state == State.STATE_CANCELLING
    assert record.cancel_reason == "mine"


def test_a_stop_that_was_asked_of_the_host_is_told() -> None:
    record = pb.Operation(state=State.STATE_RUNNING)
    show_session(record, Session(id="s", state=Told.STATE_CANCELLING, cancel_reason="by hand"), "gpu", NOW)
    assert record.cancel_requested
    assert record.cancel_reason == "by hand"


def test_the_passing_of_time_is_no_change() -> None:
    record = pb.Operation(state=State.STATE_RUNNING)
    session = Session(id="s", state=Told.STATE_RUNNING, progress=Progress(phase="train", age=Duration(seconds=1)))
    assert show_session(record, session, "gpu", NOW)
    session.progress.age.seconds = 9
    assert not show_session(record, session, "gpu", NOW)
    assert record.progress.age.seconds == 9
    session.progress.phase = "evaluate"
    assert show_session(record, session, "gpu", NOW)


def test_waiting_and_incomplete_metrics_are_told() -> None:
    record = pb.Operation()
    session = Session(id="s", progress=Progress(wait_reason="queued"), journal_damage="Row 3.", recording_stopped=True)
    show_session(record, session, "gpu", NOW)
    assert record.wait_reason == "queued"
    assert record.metrics_incomplete.startswith("Row 3. ")
    show_session(record, Session(id="s"), "gpu", NOW)
    assert not record.wait_reason
    assert not record.metrics_incomplete


@pytest.mark.parametrize("result", [TrainingResult(epochs=3), DataLoadResult()])
def test_an_end_brings_its_typed_result(result: Message) -> None:
    record = pb.Operation(wait_reason="x")
    session = Session(id="s", state=Told.STATE_COMPLETED, result=packed(result), end_time=Timestamp(seconds=5))
    end_with_session(record, session, NOW)
    assert record.state == State.STATE_COMPLETED
    assert record.end_time.seconds == 5
    assert not record.wait_reason
    field = "training_result" if isinstance(result, TrainingResult) else "data_load_result"
    assert getattr(record, field) == result


def test_a_result_of_an_unknown_type_does_not_keep_an_operation_from_ending() -> None:
    record = pb.Operation()
    end_with_session(record, Session(id="s", state=Told.STATE_COMPLETED, result=packed(Duration())), NOW)
    assert record.state == State.STATE_COMPLETED
    assert record.WhichOneof("result") is None
    assert record.end_time.ToDatetime(UTC) == NOW


@pytest.mark.parametrize(
    ("final", "state", "expected"),
    [
        (True, Told.STATE_COMPLETED, True),
        (False, Told.STATE_COMPLETED, False),
        (True, Told.STATE_RUNNING, False),
        (True, Told.STATE_UNSPECIFIED, False),
    ],
)
def test_only_a_final_end_is_an_end(final: bool, state: "Told.ValueType", expected: bool) -> None:
    assert is_final(Session(final=final, state=state)) is expected


@pytest.mark.parametrize(
    ("kind", "spec", "type_", "field"),
    [
        (HostKind.HOST_KIND_TRAINING, TrainingSpec(strategy="s"), pb.OPERATION_TYPE_TRAINING, "training"),
        (HostKind.HOST_KIND_IB, DataLoadSpec(), pb.OPERATION_TYPE_DATA_LOAD, "data_load"),
    ],
)
def test_a_session_that_was_found_becomes_an_operation(
    kind: "HostKind.ValueType", spec: Message, type_: "pb.OperationType.ValueType", field: str
) -> None:
    session = Session(id="s", kind=kind, spec=packed(spec), labels={"a": "b"}, create_time=Timestamp(seconds=7))
    record = new_record("id", session, 2, NOW)
    assert (record.type, record.attempt, dict(record.labels)) == (type_, 2, {"a": "b"})
    assert record.WhichOneof("spec") == field
    assert record.create_time.seconds == 7
    assert new_record("id", Session(), 1, NOW).create_time.ToDatetime(UTC) == NOW
