"""What a host tells of the process behind a session, as its operation tells it."""

from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

_TIMED: Final = ("cancel_grace_left", "time_left")
"""Times that run: the host tells them as of its answer, and their passing is no change."""
_MESSAGES: Final = (*_TIMED, "thinning")


def show_worker(record: pb.Operation, session: Session) -> bool:
    """Let `record` tell what the host told of a session's worker, and of what it has to work with.

    Returns:
        Whether anything changed. Times that run are none.
    """
    told = (session.worker_liveness, session.worker_pid, session.cancel_stage, session.attached)
    changed = told != (record.worker_liveness, record.worker_pid, record.cancel_stage, record.attached)
    if changed:
        record.worker_liveness, record.worker_pid, record.cancel_stage, record.attached = told
    if (session.devices or record.devices) and list(record.devices) != list(session.devices):
        record.devices[:] = session.devices
        changed = True
    for field in _MESSAGES:
        if session.HasField(field) or record.HasField(field):
            changed = (_show_field(record, session, field) and field not in _TIMED) or changed
    return changed


def clear_worker(record: pb.Operation) -> None:
    """Let `record` no longer tell what holds only while there is a worker. How far a stop had gone stays."""
    record.worker_pid = 0
    if record.worker_liveness != Session.WORKER_LIVENESS_ENDED:
        record.worker_liveness = Session.WORKER_LIVENESS_UNSPECIFIED
    clear_running_times(record)


def clear_running_times(record: pb.Operation) -> None:
    """Leave out the times that run: they say nothing without the moment they were told at."""
    if record.HasField("progress"):
        record.progress.ClearField("age")
    for field in _TIMED:
        record.ClearField(field)


def _show_field(record: pb.Operation, session: Session, field: str) -> bool:
    """Let a message in `record` be as in `session`, present or not; return whether it was another."""
    if not session.HasField(field):  # type: ignore[arg-type]  # the names of fields are constants here
        present = record.HasField(field)  # type: ignore[arg-type]  # as above
        record.ClearField(field)  # type: ignore[arg-type]  # as above
        return present
    known, told = getattr(record, field), getattr(session, field)
    if record.HasField(field) and known == told:  # type: ignore[arg-type]  # as above
        return False
    known.CopyFrom(told)
    return True
