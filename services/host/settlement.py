"""Judge from the evidence in its folder how a session ended."""

import signal as signals
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import read_control

from services.common.errors import FieldViolation, ServiceError, reason_from_name
from services.host.end_reason import in_words, reason_of_end
from services.host.folder import SessionFolder
from services.host.log_tail import log_tail
from services.host.records import ErrorRecord, ExitRecord, RecordDamagedError, ResultRecord
from services.host.stop_cause import HOST_STOP, TIME_LIMIT

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


def judge(
    session: SessionFolder, *, cancel_reason: str | None, cause: str = "", time_limit: timedelta | None = None
) -> Settlement:
    """Tell how a session ended whose worker is gone. Reads files: call it in a thread.

    The worker's own result comes first, whatever happened to its process afterwards: a request to stop, or a signal,
    may have come just after the work was done.

    Args:
        session: The session.
        cancel_reason: Why it was asked to stop; None if it was not.
        cause: What made the host ask it to stop (`stop_cause`); empty where somebody asked for it.
        time_limit: Its time limit; None where it has none.

    Raises:
        OSError: The evidence is there, and cannot be seen now: nothing is known about the end.
    """
    try:
        result = ResultRecord.read(session.result_record)
        # Only where there is no result does it matter that the other record is damaged.
        ended = ExitRecord.read(session.exit_record) if result is None else ExitRecord.load(session.exit_record)
    except RecordDamagedError as error:
        return Settlement(Session.STATE_FAILED, error=_with_log(session, _damaged(error)))
    end_time = None if ended is None else ended.ended_at
    if result is not None and result.outcome != "cancelled":
        return _from_result(session, result, end_time)
    if result is not None and cancel_reason is None:
        asked = read_control(session.control)
        return stopped("" if asked is None else asked.reason, end_time=end_time, result=_result(session, result))
    killed_by = None if ended is None else ended.signal
    if cancel_reason is not None and (result is not None or ended is None or killed_by in _OURS):
        partial = None if result is None else _result(session, result)
        return stopped(cancel_reason, cause=cause, time_limit=time_limit, end_time=end_time, result=partial)
    return Settlement(Session.STATE_FAILED, end_time, _with_log(session, reason_of_end(session, ended)))


def stopped(
    reason: str,
    *,
    cause: str = "",
    time_limit: timedelta | None = None,
    end_time: datetime | None = None,
    result: any_pb2.Any | None = None,
) -> Settlement:
    """Return how a session ended that was asked to stop and did.

    Args:
        reason: Why, for people.
        cause: What made the host ask; empty where somebody asked for it.
        time_limit: Its time limit; None where it has none.
        end_time: When it ended, UTC; None where nothing tells.
        result: What it had produced until then.
    """
    if cause == TIME_LIMIT:
        limit = "(unknown)" if time_limit is None else in_words(time_limit)
        error = ServiceError(ErrorReason.ERROR_REASON_TIME_LIMIT, limit=limit)
        return Settlement(Session.STATE_FAILED, end_time, error.status(), result)
    if cause == HOST_STOP:
        error = ServiceError(ErrorReason.ERROR_REASON_HOST_STOPPED)
        return Settlement(Session.STATE_CANCELLED, end_time, error.status(), result)
    error = ServiceError(ErrorReason.ERROR_REASON_CANCELLED, detail=f"Reason: {reason}" if reason else "")
    return Settlement(Session.STATE_CANCELLED, end_time, error.status(), result)


def _damaged(error: RecordDamagedError) -> ServiceError:
    detail = f"It should say how the session ended, but {error.cause}."
    return ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=str(error.path), detail=detail)


def _with_log(session: SessionFolder, error: ServiceError) -> status_pb2.Status:
    """Return the error with the last lines of the log, as far as there are any."""
    status = error.status()
    lines = log_tail(session)
    if lines:
        status.details.add().Pack(
            error_details_pb2.DebugInfo(stack_entries=lines, detail="the last lines of the worker's log")
        )
    return status


def _from_result(session: SessionFolder, record: ResultRecord, end_time: datetime | None) -> Settlement:
    error = _from_record(record.error).status() if record.outcome == "failed" else None
    state = Session.STATE_COMPLETED if error is None else Session.STATE_FAILED
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
