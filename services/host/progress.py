"""Translate what a journal says into the contract's messages."""

from ktrdr.host.v1.session_pb2 import Progress
from ktrdr_bridge import ProgressSnapshot


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
