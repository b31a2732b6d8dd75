"""What an IB host's refusal means for a training."""

from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc_status import rpc_status
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError, error_info, reason_of
from services.training_host.failures import bar_source_unavailable

_MISSING: Final = (ErrorReason.ERROR_REASON_DATASET_NOT_FOUND, ErrorReason.ERROR_REASON_BARS_MISSING)
_PASSED_ON: Final = (ErrorReason.ERROR_REASON_DATASET_AMBIGUOUS, ErrorReason.ERROR_REASON_STORE_CORRUPT)
"""Refusals whose own words say best what to do."""


def says_missing(error: grpc.RpcError) -> bool:
    """Tell whether a failed StreamBars says that the host has no such bars."""
    status = _rich_status(error)
    return status is not None and reason_of(status) in _MISSING


def translated(error: grpc.RpcError, address: str, asked: str) -> ServiceError:
    """Turn a failed StreamBars into the training's error.

    Args:
        error: How the call failed.
        address: The IB host, HOST:PORT.
        asked: What was asked for, such as "AAPL 1d".
    """
    status = _rich_status(error)
    reason = None if status is None else reason_of(status)
    host = f"the IB host at {address}"
    if status is None or reason is None:
        return bar_source_unavailable(host, f"The call for {asked} ended with {status_code(error).name}")
    if reason in _PASSED_ON:
        info = error_info(status)
        return ServiceError(reason, **(dict(info.metadata) if info else {}))
    return bar_source_unavailable(host, f"Asked for {asked}, it answers: {status.message}")


def _rich_status(error: Exception) -> status_pb2.Status | None:
    """Return the status with its details, None if the server (or the transport) sent none."""
    if not isinstance(error, grpc.Call):
        return None
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return None  # the details contradict the call's own code or message, or are no status
    return status


def status_code(error: Exception) -> grpc.StatusCode:
    """Return the status of a failed call; every one that grpc raises has one."""
    return error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
