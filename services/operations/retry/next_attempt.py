"""The state of an operation at the beginning of its next attempt."""

from datetime import datetime
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.identifiers import session_id_of
from services.operations.operation_state import Delivery, OperationState, State, microseconds
from services.operations.strategy_name import strategy_name

_KEPT: Final = (
    "id",
    "display_name",
    "type",
    "labels",
    "training",
    "data_load",
    "create_time",
    "options",
    "strategy",
    "notes",
    "stop_on",
    "inputs",
    "past_attempts",
)
"""What belongs to the operation; everything else belongs to one attempt of it."""
_PARTS: Final = ("start_time", "end_time", "error", "training_result", "data_load_result")
"""What is kept of an attempt that another one follows, where it has it."""


def next_attempt(
    ended: OperationState, request: pb.RetryOperationRequest, wanted_host: str, now: datetime
) -> OperationState:
    """Return the state of the next attempt: PENDING, with the one before among `past_attempts`.

    Args:
        ended: The operation as it has ended.
        request: What its next attempt is asked for with.
        wanted_host: Host that it has to run on; empty if any will do.
        now: Time of the request, UTC.
    """
    before, record = ended.record, pb.Operation()
    record.CopyFrom(before)
    for field, _ in before.ListFields():
        if field.name not in _KEPT:
            record.ClearField(field.name)  # type: ignore[arg-type]  # it is the name of one of its fields
    record.past_attempts.append(_past(ended, request))
    record.attempt = before.attempt + 1
    record.state = State.STATE_PENDING
    record.session_id = session_id_of(record.id, record.attempt)
    record.update_time.FromDatetime(now)
    if request.overrides:
        record.training.overrides.update(request.overrides)
        record.strategy = strategy_name(record.training)
    if request.from_checkpoint:
        record.checkpoint_session_id = before.session_id
    return OperationState(record, Delivery.NEW, wanted_host=wanted_host, asked_us=microseconds(now))


def _past(ended: OperationState, request: pb.RetryOperationRequest) -> pb.AttemptRecord:
    record = ended.record
    past = pb.AttemptRecord(
        attempt=record.attempt,
        state=record.state,
        host=record.host,
        session_id=record.session_id,
        metric_points=record.metric_points,
        verdicts=record.verdicts,
        next_overrides=request.overrides,
    )
    if ended.asked_us:
        past.create_time.FromMicroseconds(ended.asked_us)
    else:
        past.create_time.CopyFrom(record.create_time)
    for name in _PARTS:
        if record.HasField(name):
            getattr(past, name).CopyFrom(getattr(record, name))
    return past
