"""Tell the verdicts of an attempt together with its end."""

from typing import Protocol

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1.trends_pb2 import Verdict

from services.operations.live_operation import Change, LiveOperation
from services.operations.new_points import NewPoints
from services.operations.operation_state import OperationState


class Closing(Protocol):
    """Knows the verdicts with which attempts end."""

    def __call__(
        self, operation: LiveOperation, points: NewPoints | None, *, completed: bool, end_ns: int
    ) -> list[Verdict] | None:
        """Return them; None if they are not known at this moment. See `TrendBoard.closing`."""


class NoClosing:
    """Knows no verdicts."""

    def __call__(
        self, operation: LiveOperation, points: NewPoints | None, *, completed: bool, end_ns: int
    ) -> list[Verdict] | None:
        """Return None."""


def ending(
    closing: Closing, end: Change, operation: LiveOperation, points: NewPoints | None, session: Session
) -> Change:
    """Return the change that lets an operation end, with its last verdicts.

    Args:
        closing: Knows the verdicts.
        end: The end itself.
        operation: The operation.
        points: Its last points, which are stored together with its end.
        session: What its host told of the end.
    """
    completed = session.state == Session.State.STATE_COMPLETED
    verdicts = closing(operation, points, completed=completed, end_ns=session.end_time.ToNanoseconds())
    if verdicts is None:
        return end

    def end_with_verdicts(state: OperationState) -> None:
        end(state)
        del state.record.verdicts[:]
        state.record.verdicts.extend(verdicts)

    return end_with_verdicts
