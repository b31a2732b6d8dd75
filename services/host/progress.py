"""Translate what a journal says into the contract's messages."""

from ktrdr.host.v1.session_pb2 import Progress, Session
from ktrdr_bridge import ProgressSnapshot, Thinning


def set_progress(message: Progress, progress: ProgressSnapshot) -> None:
    """Fill a Progress with what the journal says, but for estimate and age, which depend on when they are asked for."""
    message.phase = progress.phase
    message.step = progress.step
    message.completed = progress.completed
    message.unit = progress.unit
    message.wait_reason = progress.wait_reason
    if progress.total is None:
        message.ClearField("total")
        message.ClearField("fraction")
        return
    message.total = progress.total
    message.fraction = progress.fraction or 0.0


def set_thinning(message: Session, thinning: Thinning | None) -> None:
    """Tell what a journal has given up; None where it has given up nothing."""
    message.ClearField("thinning")
    if thinning is not None:
        message.thinning.generation = thinning.generation
        message.thinning.complete_from_seq = thinning.complete_from_seq
        message.thinning.rows_left_out = thinning.rows_left_out
