"""Judge from the evidence in its folder how a session ended."""

import signal as signals
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import read_control

from services.common.errors import FieldViolation, ServiceError, reason_from_name
from services.host.folder import SessionFolder
from services.host.log_tail import log_tail
from services.host.records import ErrorRecord, ExitRecord, ResultRecord

_STATES: Final = {
    "completed": Session.STATE_COMPLETED,
    "cancelled": Session.STATE_CANCELLED,
    "failed": Session.STATE_FAILED,
}
_OURS: Final = frozenset({signals.SIGTERM, signals.SIGKILL})
"""Signals that the host itself sends to a worker that was asked to stop."""


@dataclass(frozen=True)
class Settlement:
    """How a session ended.

    Attributes:
        state: One of the final states.
        end_time: When, UTC; None where nothing tells.
        error: Why it did not complete.
        result: What it produced.
    """

    state: "Session.State.ValueType"
    end_time: datetime | None = None
    error: status_pb2.Status | None = None
    result: any_pb2.Any | None = None


def judge(session: SessionFolder, *, cancel_reason: str | None) -> Settlement:
    """Tell how a session ended whose worker is gone. Reads files: call it in a thread.

    The worker's own result comes first, whatever happened to its process afterwards: a request to stop, or a signal,
    may have come just after the work was done.

    Args:
        session: The session.
        cancel_reason: Why it was asked to stop; None if it was not.
    """
    ended = ExitRecord.load(session.exit_record)
    end_time = None if ended is None else ended.ended_at
    result = ResultRecord.load(session.result_record)
    if result is not None:
        return _from_result(session, result, end_time, cancel_reason)
    killed_by = None if ended is None else ended.signal
    if cancel_reason is not None and (ended is None or killed_by in _OURS):
        return Settlement(Session.STATE_CANCELLED, end_time, cancelled(cancel_reason))
    error = _why(session, ended).status()
    lines = log_tail(session)
    if lines:
        error.details.add().Pack(
            error_details_pb2.DebugInfo(stack_entries=lines, detail="the last lines of the worker's log")
        )
    return Settlement(Session.STATE_FAILED, end_time, error)


def cancelled(reason: str) -> status_pb2.Status:
    """Return the error of a session that stopped on request."""
    return ServiceError(ErrorReason.ERROR_REASON_CANCELLED, detail=f"Reason: {reason}" if reason else "").status()


def _why(session: SessionFolder, ended: ExitRecord | None) -> ServiceError:
    if ended is None:
        return ServiceError(ErrorReason.ERROR_REASON_WORKER_LOST, session_id=session.id)
    if ended.signal is not None:
        return ServiceError(
            ErrorReason.ERROR_REASON_WORKER_KILLED, signal=_signal_name(ended.signal), session_id=session.id
        )
    return ServiceError(ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=ended.code or 0, session_id=session.id)


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _from_result(
    session: SessionFolder, record: ResultRecord, end_time: datetime | None, cancel_reason: str | None
) -> Settlement:
    state = _STATES[record.outcome]
    error = None
    if record.outcome == "failed":
        error = _from_record(record.error).status()
    elif record.outcome == "cancelled":
        asked = read_control(session.control) if cancel_reason is None else None
        error = cancelled(cancel_reason or (asked.reason if asked is not None else ""))
    return Settlement(state, end_time, error, _result(session, record))


def _result(session: SessionFolder, record: ResultRecord) -> any_pb2.Any | None:
    if record.result is None:
        return None
    result = any_pb2.Any()
    try:
        json_format.ParseDict(record.result, result, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        structlog.get_logger().warning("result_not_understood", session_id=session.id, error=str(error))
        return None
    return result


def _from_record(record: ErrorRecord | None) -> ServiceError:
    reason = None if record is None else reason_from_name(record.reason)
    if record is None or reason is None:
        return ServiceError(
            ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=0, detail="It gave a reason that is not known here."
        )
    fields = [FieldViolation(field.field, field.description) for field in record.fields]
    # The names are those that another ServiceError was made with.
    return ServiceError(reason, fields=fields, **record.parameters)  # type: ignore[arg-type]  # mypy takes them for any name
