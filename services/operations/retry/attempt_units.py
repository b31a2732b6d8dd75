"""What a new attempt writes to the store, and what takes it back."""

from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import delete

from services.operations import schema
from services.operations.abandoned_sessions import abandoned_rows, forget_abandoned
from services.operations.changes import Changes, Row
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.stored_change import Shelf, StoredChange


class NewAttempt(StoredChange):
    """The unit that stores a new attempt. The session of the one before is abandoned: it is not to be found again.

    Args:
        shelf: Where operations are.
        operation: The operation at its new attempt.
        before: The operation as it had ended.
        request: Row of the table of requests to store with it.
    """

    def __init__(self, shelf: Shelf, operation: LiveOperation, before: OperationState, request: Row | None) -> None:
        super().__init__(shelf, operation, None, new=True, request=request)
        self._before = before

    def prepare(self, changes: Changes) -> None:
        """Add the operation, and the session that nobody follows any more."""
        super().prepare(changes)
        changes.abandoned_sessions.extend(abandoned_rows(self._before, keep=True))


class Withdrawal:
    """The unit that takes an attempt back: its host refused it while its creator waited.

    The operation is again what it was, at a new revision, for those who have seen the attempt.

    Args:
        shelf: Where operations are.
        operation: The operation at the attempt that was refused.
        before: The operation as it had ended before.
        request_id: Id of the request that has asked for it: it can be sent anew.
    """

    def __init__(self, shelf: Shelf, operation: LiveOperation, before: OperationState, request_id: str) -> None:
        self._shelf = shelf
        self._operation = operation
        self._before = before
        self._request_id = request_id
        self._revision: int | None = None

    def prepare(self, changes: Changes) -> None:
        """Add the operation as it was."""
        # From here on nobody else writes the attempt; what this transaction has of it already is written before this.
        self._operation.withdrawn = True
        keep_of_people(self._operation.image(None).record, self._before.record)
        self._revision = self._before.record.revision = self._shelf.revisions.hold()
        changes.operations.append(self._before.row())
        changes.specs.append(self._before.spec_row())
        requests = schema.requests
        changes.statements.append(delete(requests).where(requests.c.request_id == self._request_id))
        forgotten = forget_abandoned(self._before.host_uid, [self._before.record.session_id])
        changes.statements.extend(forgotten)

    def committed(self) -> None:
        """Show the operation as it was."""
        if self._shelf.live.get(self._operation.id) is self._operation:
            del self._shelf.live[self._operation.id]
        self._shelf.index.touch(LiveOperation(self._before, stored_points=self._before.record.metric_points))
        self._release()

    def failed(self) -> None:
        """Leave the attempt as it is."""
        self._operation.withdrawn = False
        self._release()

    def _release(self) -> None:
        if self._revision is not None:
            self._shelf.revisions.release(self._revision)
            self._shelf.index.notify()


def keep_of_people(source: pb.Operation, target: pb.Operation) -> None:
    """Let `target` have what people have given to `source`: labels, notes and name."""
    target.ClearField("labels")
    target.labels.update(source.labels)
    target.notes = source.notes
    target.display_name = source.display_name
