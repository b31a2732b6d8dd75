"""Stores the verdicts of several operations in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from ktrdr.operations.v1.trends_pb2 import Verdict

from services.operations.changes import Changes
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.stored_change import add_operation


class VerdictUnit:
    """A unit of verdicts that are stored before they are told.

    It holds no revisions while it is stored: whoever has it stored tells each operation afterwards, with the revision
    of that moment. A restart in between is no gap, since every operation at work has a new revision then.

    Args:
        changes: What changes, and how.
    """

    def __init__(self, changes: Sequence[tuple[LiveOperation, Change]]) -> None:
        self._changes = changes
        for operation, change in changes:
            operation.staged.append(change)

    def prepare(self, changes: Changes) -> None:
        """Add the operations, but for those that end in the same transaction."""
        for operation, _ in self._changes:
            if not (operation.withdrawn or operation.state.ended):
                image = operation.image(None)
                if not image.ended:
                    add_operation(changes, operation, image)

    def committed(self) -> None:
        """Let the operations have their verdicts."""
        for operation, change in self._changes:
            operation.staged.remove(change)
            if not operation.state.ended:
                change(operation.state)

    def failed(self) -> None:
        """Forget the verdicts: they are found again."""
        for operation, change in self._changes:
            operation.staged.remove(change)


def telling(verdicts: Sequence[Verdict], attempt: int, now: datetime) -> Change:
    """Return the change that tells verdicts.

    Args:
        verdicts: All verdicts of the attempt.
        attempt: Its number.
        now: Time of the change.
    """

    def tell(state: OperationState) -> None:
        if state.record.attempt != attempt:
            return
        del state.record.verdicts[:]
        state.record.verdicts.extend(verdicts)
        state.record.update_time.FromDatetime(now)

    return tell
