"""Translate what a journal says into the contract's messages."""

from ktrdr.host.v1.session_pb2 import Progress
from ktrdr_bridge import ProgressSnapshot


def set_progress(message: Progress, progress: ProgressSnapshot) -> None:
    """Fill a Progress with what the journal says, but for estimate and age, which depend on when they are asked for."""
    if progress.fraction is not None:
        message.fraction = progress.fraction
    message.phase = progress.phase
    message.step = progress.step
    message.completed = progress.completed
    if progress.total is not None:
        message.total = progress.total
    message.unit = progress.unit
    message.wait_reason = progress.wait_reason
