"""The unit that stores a host's answer as a whole: states, points, ends and the cursor that covers them."""

from dataclasses import dataclass

from services.operations.blocks import pack
from services.operations.changes import Changes, Row
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import Change, LiveOperation
from services.operations.new_points import NewPoints
from services.operations.reading import Reading
from services.operations.stored_change import Shelf, StoredChange


@dataclass(frozen=True)
class OperationUpdate:
    """What an answer changes of one operation.

    Attributes:
        operation: The operation.
        change: What is stored before it is shown, such as its end; None if everything is shown already.
        points: Points that the store does not have yet.
        new: The operation is not known yet.
    """

    operation: LiveOperation
    change: Change | None = None
    points: NewPoints | None = None
    new: bool = False


class AnswerUnit:
    """Collects what an answer changes.

    Args:
        shelf: Where operations are.
        host: Who answered.
        reading: The reading of the host once the answer is stored.
    """

    def __init__(self, shelf: Shelf, host: FollowedHost, reading: Reading) -> None:
        self._shelf = shelf
        self._host = host
        self._reading = reading
        self._updates: list[OperationUpdate] = []
        self._changes: list[StoredChange] = []
        self._revision: int | None = None  # at which all points of the answer are shown

    def add(self, update: OperationUpdate) -> None:
        """Add an operation."""
        self._updates.append(update)
        self._changes.append(StoredChange(self._shelf, update.operation, update.change, new=update.new))

    def prepare(self, changes: Changes) -> None:
        """Add the rows of all operations, their points, and the cursor."""
        for change in self._changes:
            change.prepare(changes)
        if any(update.points is not None for update in self._updates):
            self._revision = self._shelf.revisions.hold()
        for update in self._updates:
            if update.points is not None and self._revision is not None:
                _add_points(changes, update.operation, update.points, self._revision)
        changes.hosts.append({**self._host.row(), "cursor": self._reading.durable_cursor})

    def committed(self) -> None:
        """Take note of what is stored, and show it."""
        for update in self._updates:
            if update.points is not None:
                update.operation.positions.next_seq[update.points.incarnation] = update.points.last_seq + 1
                update.operation.stored_points += update.points.count
                if self._revision is not None:
                    self._shelf.tell_points(update.operation, update.points, self._revision)
        self._host.reading = self._reading
        for change in self._changes:
            change.committed()
        self._release()

    def failed(self) -> None:
        """Forget what was not stored: the same answer comes again."""
        for change in self._changes:
            change.failed()
        self._release()

    def _release(self) -> None:
        if self._revision is not None:
            self._shelf.revisions.release(self._revision)
            self._shelf.index.notify()


def _add_points(changes: Changes, operation: LiveOperation, points: NewPoints, revision: int) -> None:
    key: Row = {
        "operation_id": operation.id,
        "attempt": operation.record.attempt,
        "incarnation": points.incarnation,
    }
    ordinal = operation.positions.ordinal(points.incarnation)
    changes.journals.append({**key, "ordinal": ordinal, "next_seq": points.last_seq + 1})
    block: Row = {
        "first_seq": points.first_seq,
        "last_seq": points.last_seq,
        "points": points.count,
        "revision": revision,
        "marks": None,
        "data": pack(points.series),
    }
    changes.metric_blocks.append({**key, **block})
