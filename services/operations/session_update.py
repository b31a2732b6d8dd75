"""What a host tells about a session, turned into what the registry tells about an operation."""

from datetime import datetime
from typing import Final

import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.ib.v1.ib_pb2 import DataLoadResult, DataLoadSpec
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult, TrainingSpec

from services.operations.lineage.datasets import add_inputs
from services.operations.strategy_name import strategy_name
from services.operations.worker_view import clear_worker, show_worker

_State = pb.Operation.State
_RUNNING_STATES: Final = {
    Session.State.STATE_QUEUED: _State.STATE_QUEUED,
    Session.State.STATE_RUNNING: _State.STATE_RUNNING,
    Session.State.STATE_CANCELLING: _State.STATE_CANCELLING,
}
_END_STATES: Final = {
    Session.State.STATE_COMPLETED: _State.STATE_COMPLETED,
    Session.State.STATE_FAILED: _State.STATE_FAILED,
    Session.State.STATE_CANCELLED: _State.STATE_CANCELLED,
}
_TYPES: Final = {
    HostKind.HOST_KIND_TRAINING: pb.OPERATION_TYPE_TRAINING,
    HostKind.HOST_KIND_IB: pb.OPERATION_TYPE_DATA_LOAD,
}
_RECORDING_STOPPED: Final = "The journal is full, or its disk is: points after this are not recorded."
_REMOVED: Final = "The host removed the session before its last points were read."

_logger = structlog.get_logger()


def show_session(record: pb.Operation, session: Session, host: str, now: datetime) -> bool:
    """Let `record` tell what the host told about a session, its end excepted.

    Args:
        record: The operation; its `update_time` is set if something changed.
        session: What the host told.
        host: Name of the host.
        now: Time for `update_time`.

    Returns:
        Whether anything changed. The passing of time (of the progress's age, or of a grace) is no change.
    """
    at = Timestamp()
    at.FromDatetime(now)
    return show_session_at(record, session, host, at)


def show_session_at(record: pb.Operation, session: Session, host: str, now: Timestamp) -> bool:
    """Do what `show_session` does.

    It runs for each session of each answer: so it compares each thing that a host can change and touches only what did,
    and it takes the time as a message that many sessions share.
    """
    changed = _show_progress(record, session)
    changed = _show_state(record, session) or changed
    changed = _show_texts(record, session, host) or changed
    changed = show_worker(record, session) or changed
    if session.inputs:
        changed = add_inputs(record, session.inputs) or changed
    if changed:
        record.update_time.CopyFrom(now)
    return changed


def end_with_session(record: pb.Operation, session: Session, now: datetime) -> None:
    """Let `record` end as its session has ended.

    Args:
        record: The operation.
        session: A session that the host calls final.
        now: Time for `update_time`, and for `end_time` where the host gives none.
    """
    record.state = _END_STATES[session.state]
    record.wait_reason = ""
    record.update_time.FromDatetime(now)
    if session.HasField("end_time"):
        record.end_time.CopyFrom(session.end_time)
    else:
        record.end_time.FromDatetime(now)
    if session.HasField("error"):
        record.error.CopyFrom(session.error)
    clear_worker(record)
    _take_result(record, session)


def end_with_removed(record: pb.Operation, session: Session, host: str, now: datetime) -> None:
    """Let `record` end as a session has ended that its host has removed since: its last points cannot be read."""
    show_session(record, session, host, now)
    end_with_session(record, session, now)
    record.metrics_incomplete = " ".join(note for note in (record.metrics_incomplete, _REMOVED) if note)


def new_record(operation_id: str, session: Session, attempt: int, now: datetime) -> pb.Operation:
    """Return the record for a session that the registry did not start, or has forgotten.

    Args:
        operation_id: Its id.
        session: What the host told.
        attempt: Number of the attempt.
        now: Time of creation where the host gives none.
    """
    record = pb.Operation(
        id=operation_id,
        type=_TYPES.get(session.kind, pb.OPERATION_TYPE_UNSPECIFIED),
        state=_State.STATE_QUEUED,
        attempt=attempt,
        labels=session.labels,
    )
    if session.HasField("options"):
        record.options.CopyFrom(session.options)
    if session.HasField("create_time"):
        record.create_time.CopyFrom(session.create_time)
    else:
        record.create_time.FromDatetime(now)
    training, load = TrainingSpec(), DataLoadSpec()
    if session.spec.Unpack(training):
        record.training.CopyFrom(training)
        record.strategy = strategy_name(training)
    elif session.spec.Unpack(load):
        record.data_load.CopyFrom(load)
    return record


def is_final(session: Session) -> bool:
    """Tell whether the session has ended and every point up to its end has been read."""
    return session.final and session.state in _END_STATES


def is_removed(session: Session) -> bool:
    """Tell whether the session has ended and its host has only its end left."""
    return session.removed and session.state in _END_STATES


def is_at_work(session: Session) -> bool:
    """Tell whether the session waits or works, and nobody has asked it to stop."""
    return session.state in {Session.State.STATE_QUEUED, Session.State.STATE_RUNNING}


def _show_progress(record: pb.Operation, session: Session) -> bool:
    if not session.HasField("progress"):
        return False
    told, known = session.progress, record.progress
    if not record.HasField("progress"):
        known.CopyFrom(told)
        return True
    if told.HasField("age"):
        known.age.CopyFrom(told.age)  # it is no change by itself
    else:
        known.ClearField("age")
    if known == told:
        return False
    known.CopyFrom(told)
    return True


def _show_state(record: pb.Operation, session: Session) -> bool:
    changed = False
    if session.state == Session.STATE_CANCELLING and not record.cancel_requested:
        record.cancel_requested = changed = True
    if session.state in _RUNNING_STATES:
        # An operation that was asked to stop is CANCELLING until its host has confirmed.
        state = _State.STATE_CANCELLING if record.cancel_requested else _RUNNING_STATES[session.state]
        if record.state != state:
            record.state = state
            changed = True
    if session.HasField("start_time") and record.start_time != session.start_time:
        record.start_time.CopyFrom(session.start_time)
        changed = True
    return changed


def _show_texts(record: pb.Operation, session: Session, host: str) -> bool:
    damage, stopped = session.journal_damage, session.recording_stopped
    told = (
        host,
        session.id,
        session.progress.wait_reason,
        record.cancel_reason or session.cancel_reason,
        " ".join(note for note in (damage, _RECORDING_STOPPED) if note) if stopped else damage,
        record.display_name or session.display_name,
    )
    known = (
        record.host,
        record.session_id,
        record.wait_reason,
        record.cancel_reason,
        record.metrics_incomplete,
        record.display_name,
    )
    if told == known:
        return False
    (
        record.host,
        record.session_id,
        record.wait_reason,
        record.cancel_reason,
        record.metrics_incomplete,
        record.display_name,
    ) = told
    return True


def _take_result(record: pb.Operation, session: Session) -> None:
    training, load = TrainingResult(), DataLoadResult()
    if session.result.Unpack(training):
        record.training_result.CopyFrom(training)
    elif session.result.Unpack(load):
        record.data_load_result.CopyFrom(load)
    elif session.result.type_url:
        _logger.warning("result_unknown", session_id=session.id, type_url=session.result.type_url)
