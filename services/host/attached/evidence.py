"""Tell from the evidence in its folder how a session stands that a process of its own opened."""

from datetime import UTC, datetime

import ktrdr_bridge
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import JournalReader

from services.common.errors import ServiceError
from services.host.attached.records import AttachedResult
from services.host.folder import SessionFolder
from services.host.runner import Liveness, WorkerView
from services.host.settlement import Settlement, stopped


def look(session: SessionFolder, pid: int) -> WorkerView:
    """Tell how the process stands. Reads files: call it in a thread.

    Args:
        session: The session.
        pid: The process that opened it.
    """
    if AttachedResult.load(session.result_record) is not None:
        return WorkerView(Liveness.ENDED)
    alive = ktrdr_bridge.is_alive(session.alive_lock)
    if alive is None:
        return WorkerView(Liveness.STALE, pid)
    return WorkerView(Liveness.ALIVE if alive else Liveness.ENDED, pid)


def judge_attached(session: SessionFolder, *, pid: int, cancel_reason: str | None, seen_alive: bool) -> Settlement:
    """Tell how a session ended. Reads files: call it in a thread.

    Args:
        session: The session.
        pid: The process that had opened it.
        cancel_reason: Why it was asked to stop; None if it was not.
        seen_alive: The process ended under the eyes of this host, so just now; else its last sign of life has to do.
    """
    result = AttachedResult.load(session.result_record)
    if result is not None:
        return _from_result(session, result, cancel_reason)
    detail = "" if cancel_reason is None else "It had been asked to stop."
    error = ServiceError(ErrorReason.ERROR_REASON_ATTACHED_PROCESS_ENDED, pid=pid, detail=detail)
    return Settlement(Session.STATE_FAILED, None if seen_alive else _last_write(session), error.status())


def _from_result(session: SessionFolder, result: AttachedResult, cancel_reason: str | None) -> Settlement:
    if result.outcome == "completed":
        return Settlement(Session.STATE_COMPLETED, result.ended_at)
    if result.outcome == "cancelled":
        asked = ktrdr_bridge.read_control(session.control) if cancel_reason is None else None
        return stopped(cancel_reason or (asked.reason if asked is not None else ""), end_time=result.ended_at)
    error = ServiceError(ErrorReason.ERROR_REASON_ATTACHED_WORK_FAILED, exception=result.exception)
    return Settlement(Session.STATE_FAILED, result.ended_at, error.status())


def _last_write(session: SessionFolder) -> datetime | None:
    reader = JournalReader(session.journal)
    try:
        updated_ns = reader.read(reader.end(), max_points=1).progress.updated_ns
    finally:
        reader.close()
    return datetime.fromtimestamp(updated_ns / 1e9, UTC) if updated_ns else None
