"""Stores the verdicts of several operations in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from ktrdr.operations.v1.trends_pb2 import Verdict

from services.operations.changes import Changes
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.stored_change import StoredChange


class VerdictUnit:
    """A unit of changes that are stored before they are shown.

    Args:
        registry: The operations.
        changes: What changes, and how.
    """

    def __init__(self, registry: Registry, changes: Sequence[tuple[LiveOperation, Change]]) -> None:
        self._changes = [StoredChange(registry, operation, change) for operation, change in changes]

    def prepare(self, changes: Changes) -> None:
        """Add the operations."""
        for change in self._changes:
            change.prepare(changes)

    def committed(self) -> None:
        """Show the verdicts."""
        for change in self._changes:
            change.committed()

    def failed(self) -> None:
        """Forget them: they are found again."""
        for change in self._changes:
            change.failed()


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
