"""A change of one operation that is stored before it is shown."""

from collections.abc import Sequence
from typing import Protocol

from services.operations.change_index import ChangeIndex
from services.operations.changes import Changes, Row
from services.operations.lineage.datasets import use_rows, version_rows
from services.operations.live_operation import Change, LiveOperation
from services.operations.new_points import NewPoints
from services.operations.operation_state import OperationState
from services.operations.revisions import Revisions
from services.operations.shown_points import add_points


class Shelf(Protocol):
    """The part of the registry that a stored change works on."""

    revisions: Revisions
    index: ChangeIndex
    live: dict[str, LiveOperation]
    sessions: dict[tuple[str, str], LiveOperation]

    def tell_points(self, operation: LiveOperation, points: NewPoints, revision: int) -> None:
        """Take note of points that are shown at `revision`."""

    def show_points(self, taken: Sequence[tuple[LiveOperation, NewPoints]]) -> None:
        """Show points of operations that are known."""

    def tell_end(self, operation: LiveOperation) -> None:
        """Take note that an operation has ended, which is stored, and is about to be shown."""


class StoredChange:
    """A unit with one change of one operation.

    Args:
        shelf: Where operations are.
        operation: What changes.
        change: How; None stores the operation, with what was shown of it and what others are about to change.
        new: The operation is not known yet.
        request: Row of the table of requests to store with it.
    """

    def __init__(
        self,
        shelf: Shelf,
        operation: LiveOperation,
        change: Change | None,
        *,
        new: bool = False,
        request: Row | None = None,
    ) -> None:
        self._shelf = shelf
        self._operation = operation
        self._change = change
        self._new = new
        self._request = request
        self._revision: int | None = None
        self._image: OperationState | None = None
        if change is not None:
            operation.staged.append(change)

    def prepare(self, changes: Changes) -> None:
        """Add the operation as it will be."""
        if self._operation.withdrawn or (self._operation.state.ended and not self._new):
            return  # there is nothing to add to it, and its row may be another attempt's, or be gone
        if self._operation.staged or self._new:
            self._revision = self._shelf.revisions.hold()
        self._image = self._operation.image(self._revision)
        add_operation(changes, self._operation, self._image)
        if self._image.ended:
            changes.dataset_uses.extend(use_rows(self._image.record))
            changes.dataset_versions.extend(version_rows(self._image.record))
        if self._new:
            changes.specs.append(self._image.spec_row())
            changes.labels.extend(self._image.label_rows())
        if self._request is not None:
            changes.requests.append(self._request)

    def committed(self) -> None:
        """Show the change."""
        operation, image = self._operation, self._image
        self._unstage()
        if image is not None and not operation.state.ended:
            self._show(operation, image)
        self._release()

    def failed(self) -> None:
        """Forget the change."""
        self._unstage()
        self._release()

    def _show(self, operation: LiveOperation, image: OperationState) -> None:
        if image.ended:
            # What was shown since the transaction began is not stored, and nobody has seen it: it was held back.
            operation.state = image
            self._shelf.live.pop(operation.id, None)
            self._shelf.sessions.pop((image.host_uid, image.record.session_id), None)
            self._shelf.tell_end(operation)
        else:
            if self._new:
                self._shelf.live[operation.id] = operation
            if self._change is not None:
                self._change(operation.state)
            if self._revision is not None:
                operation.record.revision = max(operation.record.revision, self._revision)
        if self._revision is not None and not operation.hidden:
            self._shelf.index.touch(operation)

    def _unstage(self) -> None:
        if self._change is not None:
            self._operation.staged.remove(self._change)

    def _release(self) -> None:
        if self._revision is not None:
            self._shelf.revisions.release(self._revision)
            self._shelf.index.notify()


def add_operation(changes: Changes, operation: LiveOperation, image: OperationState) -> None:
    """Add the row of an operation, together with its points that are shown and not stored.

    Args:
        changes: Where to add it.
        operation: The operation.
        image: Its state as it is to be stored.
    """
    if not image.ended:
        image.record.metric_points = operation.stored_points
    changes.operations.append(image.row())
    add_points(changes, operation, image.record.attempt)


def add_shown(changes: Changes, shelf: Shelf, operation: LiveOperation) -> None:
    """Add what is shown of an operation and not stored, if it is still there.

    Args:
        changes: Where to add it.
        shelf: Where operations are.
        operation: The operation.
    """
    operation_id = operation.id
    there = operation in (shelf.live.get(operation_id), shelf.index.get(operation_id))
    if operation.withdrawn or not there:
        return
    image = operation.image(None)
    if operation.state.ended or image.ended:  # its row is written as it ends
        add_points(changes, operation, image.record.attempt)
        return
    if not operation.staged:
        # A message never gives back the memory of what it told before: the copy goes on in its place.
        operation.state.record, image.record = image.record, operation.state.record
    add_operation(changes, operation, image)
