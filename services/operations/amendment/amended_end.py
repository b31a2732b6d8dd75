"""A change of an operation that has ended: of what is kept with it, never of how it ended."""

from sqlalchemy import update

from services.operations import schema
from services.operations.changes import Changes
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.stored_change import Shelf


class AmendedEnd:
    """The unit that changes the record of an operation that has ended. For use in the operation's turn.

    The row is changed only if it is still the same attempt's and has ended: no state is ever written by this.

    Args:
        shelf: Where operations are.
        operation: The operation, from memory or from the store.
        change: How it changes.
    """

    def __init__(self, shelf: Shelf, operation: LiveOperation | OperationState, change: Change) -> None:
        self._shelf = shelf
        self._operation = operation
        self._change = change
        self._revision: int | None = None
        self._image: OperationState | None = None

    def prepare(self, changes: Changes) -> None:
        """Add the record as it will be."""
        state = self._operation.state if isinstance(self._operation, LiveOperation) else self._operation
        before = set(state.record.labels)
        image = self._image = state.copy()
        self._change(image)
        self._revision = image.record.revision = self._shelf.revisions.hold()
        row = dict(image.row())
        table = schema.operations
        changes.statements.append(
            update(table)
            .where(table.c.id == row.pop("id"), table.c.attempt == row.pop("attempt"), table.c.terminal.is_(True))
            .values(row)
        )
        changes.removed_labels.extend((image.record.id, key) for key in before - set(image.record.labels))
        changes.labels.extend(image.label_rows())

    def committed(self) -> None:
        """Show the change."""
        if self._image is not None:
            operation = self._operation
            if not isinstance(operation, LiveOperation):
                operation = LiveOperation(self._image, stored_points=self._image.record.metric_points)
            operation.state = self._image
            self._shelf.index.touch(operation)
        self._release()

    def failed(self) -> None:
        """Forget the change."""
        self._release()

    def _release(self) -> None:
        if self._revision is not None:
            self._shelf.revisions.release(self._revision)
            self._shelf.index.notify()
