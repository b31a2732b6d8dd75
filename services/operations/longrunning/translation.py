"""An operation of the registry as the stock contract of long-running operations has it."""

from typing import Any, Final

from google.longrunning import operations_pb2 as longrunning
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.longrunning.names import OperationName

_State = pb.Operation.State
_OF_AN_ATTEMPT: Final = ("create_time", "start_time", "end_time", "error", "training_result", "data_load_result")
_RESULTS: Final = ("training_result", "data_load_result")


def long_running(name: OperationName, record: pb.Operation) -> Any:
    """Return a `google.longrunning.Operation`.

    Args:
        name: What it is called.
        record: The operation, or one attempt of it, as it is told now.

    Returns:
        An operation that is done once the record has ended: with its result, Empty where it brought none, or its error
        (code 1, CANCELLED, for one that was stopped). Its metadata is the record without the result.
    """
    metadata = pb.Operation()
    metadata.CopyFrom(record)
    for field in _RESULTS:
        metadata.ClearField(field)
    told = longrunning.Operation(name=str(name), metadata=_packed(metadata))
    match record.state:
        case _State.STATE_COMPLETED:
            told.done = True
            told.response.CopyFrom(_packed(_result(record)))
        case _State.STATE_CANCELLED:
            told.done = True
            told.error.CopyFrom(_error(record, code_pb2.CANCELLED))
            told.error.code = code_pb2.CANCELLED
        case _State.STATE_FAILED:
            told.done = True
            told.error.CopyFrom(_error(record, code_pb2.UNKNOWN))
    return told


def earlier_attempt(record: pb.Operation, attempt: int) -> pb.Operation | None:
    """Return an attempt that a retry has followed, as an operation of its own; None if there is no such attempt.

    It has no spec: that belongs to the latest attempt, and may have changed.
    """
    past = next((each for each in record.past_attempts if each.attempt == attempt), None)
    if past is None:
        return None
    told = pb.Operation(
        id=record.id,
        display_name=record.display_name,
        type=record.type,
        state=past.state,
        attempt=past.attempt,
        revision=record.revision,
        labels=record.labels,
        host=past.host,
        session_id=past.session_id,
        strategy=record.strategy,
        notes=record.notes,
        metric_points=past.metric_points,
        verdicts=past.verdicts,
    )
    for field in _OF_AN_ATTEMPT:
        if past.HasField(field):
            getattr(told, field).CopyFrom(getattr(past, field))
    return told


def _result(record: pb.Operation) -> Message:
    name = record.WhichOneof("result")
    result: Message = Empty() if name is None else getattr(record, name)
    return result


def _error(record: pb.Operation, otherwise: int) -> status_pb2.Status:
    if record.error.code:
        return record.error
    return status_pb2.Status(code=otherwise, message=record.error.message or "Nothing tells why.")


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
