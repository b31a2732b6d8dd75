"""Evidence that a session is gone, and the end that follows from it."""

from datetime import datetime, timedelta
from typing import Final

from google.rpc import status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState, State

MISSING: Final = pb.Loss.Rule.RULE_SESSION_MISSING
REPLACED: Final = pb.Loss.Rule.RULE_HOST_REPLACED


def session_missing(host: FollowedHost, session_id: str, now: datetime) -> Change:
    """Return the change that notes that the host which had a session does not know it any more.

    Args:
        host: The host: its own answer is the evidence.
        session_id: The session.
        now: When it answered, UTC.
    """
    evidence = f"Host {host.name} ({host.address}) answers, and does not know session {session_id}."
    loss = _loss(MISSING, host.host_uid, host, now, evidence)
    return lambda state: _note(state, loss)


def host_replaced(host: FollowedHost, expected_host_uid: str, now: datetime) -> Change:
    """Return the change that notes that another host answers under the name of the one that had a session.

    Args:
        host: The host that answers now.
        expected_host_uid: Identity of the one that had the session; it is followed nowhere.
        now: When it was seen, UTC.
    """
    evidence = (
        f"Another host ({host.host_uid}) answers as {host.name} at {host.address}; the one that had the session "
        f"({expected_host_uid}) is followed nowhere."
    )
    loss = _loss(REPLACED, expected_host_uid, host, now, evidence)
    return lambda state: _note(state, loss)


def no_loss(state: OperationState) -> None:
    """Take the evidence back: the session, or the host that has it, was seen again."""
    state.record.ClearField("loss")


def fail_lost(now: datetime) -> Change:
    """Return the change that ends an operation on the evidence that it has: the grace has passed.

    Args:
        now: Time of the end, UTC.
    """

    def change(state: OperationState) -> None:
        if state.record.HasField("loss"):  # otherwise it was seen again just before
            state.record.loss.ClearField("grace_left")
            state.end(State.STATE_FAILED, now, _error(state.record))

    return change


def grace_left(operation: LiveOperation, now: float) -> timedelta | None:
    """Return the time until an operation that may be lost fails; None if it is not, or the time is not known yet.

    Args:
        operation: The operation.
        now: Monotonic time.
    """
    if operation.lost_until is None or not operation.record.HasField("loss"):
        return None
    return timedelta(seconds=max(0.0, operation.lost_until - now))


def _loss(
    rule: "pb.Loss.Rule.ValueType", expected_host_uid: str, host: FollowedHost, now: datetime, evidence: str
) -> pb.Loss:
    loss = pb.Loss(
        rule=rule,
        expected_host_uid=expected_host_uid,
        host_uid=host.host_uid,
        host_incarnation=host.description.incarnation,
        evidence=evidence,
    )
    loss.since.FromDatetime(now)
    return loss


def _note(state: OperationState, loss: pb.Loss) -> None:
    """Keep the evidence, and since when there has been any."""
    record = state.record
    since = record.loss.since if record.HasField("loss") else loss.since
    kept = pb.Loss()
    kept.CopyFrom(loss)
    kept.since.CopyFrom(since)
    record.loss.CopyFrom(kept)
    record.update_time.CopyFrom(loss.since)


def _error(record: pb.Operation) -> status_pb2.Status:
    loss = record.loss
    return ServiceError(
        ErrorReason.ERROR_REASON_HOST_LOST_SESSION,
        host=record.host,
        session_id=record.session_id,
        detail=loss.evidence,
        rule=pb.Loss.Rule.Name(loss.rule),
        since=loss.since.ToJsonString(),
        expected_host_uid=loss.expected_host_uid,
        host_uid=loss.host_uid,
        host_incarnation=loss.host_incarnation,
        evidence=loss.evidence,
    ).status()
