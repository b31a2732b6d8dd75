"""Turn gRPC statuses into the client's exceptions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from ktrdr_client.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    FieldFault,
    Internal,
    InvalidArgument,
    KtrdrError,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)

_CLASSES: Final[Mapping[int, type[KtrdrError]]] = {
    code_pb2.INVALID_ARGUMENT: InvalidArgument,
    code_pb2.NOT_FOUND: NotFound,
    code_pb2.ALREADY_EXISTS: AlreadyExists,
    code_pb2.FAILED_PRECONDITION: FailedPrecondition,
    code_pb2.OUT_OF_RANGE: OutOfRange,
    code_pb2.PERMISSION_DENIED: PermissionDenied,
    code_pb2.UNAUTHENTICATED: PermissionDenied,
    code_pb2.RESOURCE_EXHAUSTED: ResourceExhausted,
    code_pb2.ABORTED: Aborted,
    code_pb2.UNAVAILABLE: Unavailable,
    code_pb2.DEADLINE_EXCEEDED: DeadlineExceeded,
    code_pb2.CANCELLED: Cancelled,
    code_pb2.DATA_LOSS: DataLoss,
}


def error_from_status(status: status_pb2.Status) -> KtrdrError:
    """Return the exception for a rich status, such as the `error` of an operation."""
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after: timedelta | None = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta()
    return _CLASSES.get(status.code, Internal)(
        status.message,
        reason=info.reason,
        metadata=dict(info.metadata),
        fields=[FieldFault(each.field, each.description) for each in bad_request.field_violations],
        retry_after=retry_after,
    )


def error_from_call(error: grpc.aio.AioRpcError, *, service: str, address: str) -> KtrdrError:
    """Return the exception for a failed call.

    Args:
        error: What grpc.aio raised.
        service: What was called, for people: "operations service".
        address: Where it was called.
    """
    status = _rich_status(error)
    if status is not None:
        return error_from_status(status)
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(f"the {service} at {address} does not answer ({details})")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"the {service} at {address} did not answer in time")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Internal(f"the server at {address} is no {service}, or of another version: {details}")
    number: int = code.value[0]
    return _CLASSES.get(number, Internal)(details or code.name)


def _rich_status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """Return the status that travels in the trailing metadata, if there is a readable one with details."""
    try:
        # The stubs type only the call objects of the other, synchronous API; an AioRpcError has all that is needed.
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
    except (DecodeError, ValueError):
        return None
    return status
