"""What a request to try an operation again may ask for."""

from collections.abc import Mapping
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.identity import checked_request_id
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.operation_state import Delivery, OperationState, State

MOST_ATTEMPTS: Final = 50


def checked_retry(request: pb.RetryOperationRequest) -> None:
    """Check everything that does not depend on the operation.

    Raises:
        ServiceError: INVALID_REQUEST with all fields that are wrong.
    """
    checked_request_id(request.request_id)
    if any(not key.strip() for key in request.overrides):
        raise _invalid("overrides", "each has a key, such as training.epochs")


def check_retry(state: OperationState, request: pb.RetryOperationRequest) -> None:
    """Check whether an operation can be tried again as it is asked for.

    Raises:
        ServiceError: WRONG_STATE, TOO_MANY_ATTEMPTS or INVALID_REQUEST.
    """
    record = state.record
    if not state.ended:
        name = State.Name(record.state).removeprefix("STATE_")
        detail = (
            f"An operation is tried again after it has ended; ask this one to stop with: ktrdr ops cancel {record.id}."
        )
        raise ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state=name, detail=detail)
    if len(record.past_attempts) + 1 >= MOST_ATTEMPTS:
        raise ServiceError(
            ErrorReason.ERROR_REASON_TOO_MANY_ATTEMPTS, operation_id=record.id, limit=MOST_ATTEMPTS, detail=""
        )
    spec = record.WhichOneof("spec")
    if record.attached or spec is None:
        raise _invalid("operation_id", "no host was asked for it: a process of its own opened it; run that again")
    if request.overrides and spec != "training":
        raise _invalid("overrides", "only trainings have a strategy to change; leave them out")


def checkpoint_host(hosts: Mapping[str, FollowedHost], state: OperationState, request: pb.RetryOperationRequest) -> str:
    """Return the name of the host that has the checkpoints of the latest attempt.

    Args:
        hosts: All hosts by name.
        state: The operation as it has ended.
        request: Asks to go on from the last checkpoint.

    Raises:
        ServiceError: CHECKPOINT_NOT_FOUND, or INVALID_REQUEST where another host is asked for.
    """
    record = state.record
    if record.WhichOneof("spec") != "training":
        raise _invalid("from_checkpoint", "only trainings have checkpoints; a load goes on by itself where it stopped")
    owner = owner_of(hosts, state) if state.delivery is not Delivery.NEW and state.host_uid else None
    if owner is None:
        where = f"The host that had it, {record.host}, is not followed." if record.host else "No host ever had it."
        raise ServiceError(ErrorReason.ERROR_REASON_CHECKPOINT_NOT_FOUND, session_id=record.session_id, detail=where)
    if request.host not in {"", owner.name}:
        raise _invalid("host", f"the checkpoints are on {owner.name}; leave the host out")
    return owner.name


def _invalid(field: str, description: str) -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_INVALID_REQUEST,
        fields=[FieldViolation(field, description)],
        detail=f"{field}: {description}.",
    )
