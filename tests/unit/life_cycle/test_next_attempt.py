"""What the next attempt takes over, what it leaves behind, and what is kept of the one before."""

from datetime import UTC, datetime

from ktrdr.host.v1.session_pb2 import CancelStage, DatasetUse, Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VerdictKind
from ktrdr.training.v1.training_pb2 import TrainingResult, TrainingSpec

from services.operations.operation_state import Delivery, OperationState, State
from services.operations.retry.next_attempt import next_attempt

NOW = datetime(2026, 1, 2, tzinfo=UTC)
_KEPT = {
    "id", "display_name", "type", "labels", "training", "create_time", "options", "strategy", "notes", "stop_on",
    "inputs", "past_attempts",
}  # fmt: skip
_NEW = {"attempt", "state", "session_id", "update_time"}


def full_record() -> pb.Operation:
    """Return a record with every field set that one operation can have."""
    record = pb.Operation(
        id="0123456789ab",
        display_name="swing",
        type=pb.OPERATION_TYPE_TRAINING,
        state=State.STATE_FAILED,
        attempt=3,
        revision=77,
        labels={"a": "1"},
        host="gpu",
        session_id="0123456789ab-3",
        training=TrainingSpec(strategy="name: swing", overrides={"training.epochs": "5"}),
        training_result=TrainingResult(epochs=2),
        cancel_requested=True,
        cancel_reason="why",
        wait_reason="w",
        metric_points=9,
        metrics_incomplete="i",
        worker_liveness=Session.WORKER_LIVENESS_ALIVE,
        worker_pid=4,
        cancel_stage=CancelStage.CANCEL_STAGE_ASKED,
        devices=["cuda:0"],
        attached=True,
        strategy="swing",
        notes="n",
        stop_on=[VerdictKind.VERDICT_KIND_DIVERGENCE],
        checkpoint_session_id="0123456789ab-2",
        past_attempts=[pb.AttemptRecord(attempt=1), pb.AttemptRecord(attempt=2)],
    )
    record.latest_metrics.add(name="loss")
    record.verdicts.add(kind=VerdictKind.VERDICT_KIND_DIVERGENCE)
    record.inputs.add(dataset=DatasetUse(fingerprint="f"))
    record.options.threads = 2
    record.progress.phase = "train"
    record.error.message = "broken"
    record.loss.evidence = "gone"
    record.thinning.SetInParent()
    for name in ("create_time", "start_time", "update_time", "end_time"):
        getattr(record, name).seconds = 5
    return record


def test_each_field_either_belongs_to_the_operation_or_begins_anew() -> None:
    before = OperationState(full_record(), Delivery.ACCEPTED, "gpu", "uid", True, True, asked_us=42)
    request = pb.RetryOperationRequest(operation_id=before.record.id)

    after = next_attempt(before, request, "other", NOW)

    assert {field.name for field, _ in after.record.ListFields()} == _KEPT | _NEW
    for name in _KEPT - {"past_attempts"}:
        assert getattr(after.record, name) == getattr(before.record, name)
    assert (after.record.attempt, after.record.session_id) == (4, "0123456789ab-4")
    assert after.record.state == State.STATE_PENDING
    assert (after.delivery, after.wanted_host, after.host_uid) == (Delivery.NEW, "other", "")
    assert (after.cancel_now, after.cancel_sent) == (False, False)
    assert after.asked_us == round(NOW.timestamp() * 1_000_000)


def test_the_attempt_before_is_kept_with_all_that_is_its_own() -> None:
    before = OperationState(full_record(), Delivery.ACCEPTED, host_uid="uid", asked_us=42)
    request = pb.RetryOperationRequest(operation_id=before.record.id, overrides={"training.epochs": "9"})

    after = next_attempt(before, request, "", NOW)

    *older, past = after.record.past_attempts
    assert older == list(before.record.past_attempts)
    for field in pb.AttemptRecord.DESCRIPTOR.fields:
        if field.name not in {"create_time", "next_overrides", "data_load_result"}:
            assert getattr(past, field.name) == getattr(before.record, field.name), field.name
    assert past.create_time.ToMicroseconds() == 42
    assert dict(past.next_overrides) == {"training.epochs": "9"}
    assert dict(after.record.training.overrides) == {"training.epochs": "9"}
    assert dict(before.record.training.overrides) == {"training.epochs": "5"}


def test_a_checkpoint_is_that_of_the_attempt_before() -> None:
    before = OperationState(full_record(), Delivery.ACCEPTED, host_uid="uid")
    request = pb.RetryOperationRequest(operation_id=before.record.id, from_checkpoint=True)

    assert next_attempt(before, request, "gpu", NOW).record.checkpoint_session_id == "0123456789ab-3"
