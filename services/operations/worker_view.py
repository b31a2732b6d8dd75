"""What a host tells of the process behind a session, as its operation tells it."""

from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

_TIMED: Final = ("cancel_grace_left", "time_left")
"""Times that run: the host tells them as of its answer, and their passing is no change."""


def show_worker(record: pb.Operation, session: Session) -> None:
    """Let `record` tell what the host told of a session's worker, and of what it has to work with."""
    record.worker_liveness = session.worker_liveness
    record.worker_pid = session.worker_pid
    record.cancel_stage = session.cancel_stage
    record.attached = session.attached
    if list(record.devices) != list(session.devices):
        record.devices[:] = session.devices
    for field in (*_TIMED, "thinning"):
        if session.HasField(field):
            getattr(record, field).CopyFrom(getattr(session, field))
        else:
            record.ClearField(field)


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
