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
        self._known_revision: int | None = None  # at which points of operations that were known are shown
        self._found_revision: int | None = None  # at which points of operations that are new are shown

    def add(self, update: OperationUpdate) -> None:
        """Add an operation."""
        self._updates.append(update)
        self._changes.append(StoredChange(self._shelf, update.operation, update.change, new=update.new))

    def prepare(self, changes: Changes) -> None:
        """Add the rows of all operations, their points, and the cursor.

        Points come before the end that their host told with them, and after the appearance of their operation: who
        reads up to any revision has all points of what has ended, and knows the operation of each point.
        """
        if any(update.points is not None and not update.new for update in self._updates):
            self._known_revision = self._shelf.revisions.hold()
        for change in self._changes:
            change.prepare(changes)
        if any(update.points is not None and update.new for update in self._updates):
            self._found_revision = self._shelf.revisions.hold()
        for update in self._updates:
            revision = self._revision_of(update)
            if update.points is not None and revision is not None:
                _add_points(changes, update.operation, update.points, revision)
        changes.hosts.append({**self._host.row(), "cursor": self._reading.durable_cursor})

    def committed(self) -> None:
        """Take note of what is stored, and show it."""
        for update in sorted(self._updates, key=lambda update: update.new):  # by revision of the points
            revision = self._revision_of(update)
            if update.points is not None and revision is not None:
                update.operation.positions.next_seq[update.points.incarnation] = update.points.last_seq + 1
                update.operation.stored_points += update.points.count
                self._shelf.tell_points(update.operation, update.points, revision)
        self._host.reading = self._reading
        for change in self._changes:
            change.committed()
        self._release()

    def failed(self) -> None:
        """Forget what was not stored: the same answer comes again."""
        for change in self._changes:
            change.failed()
        self._release()

    def _revision_of(self, update: OperationUpdate) -> int | None:
        return self._found_revision if update.new else self._known_revision

    def _release(self) -> None:
        for revision in (self._known_revision, self._found_revision):
            if revision is not None:
                self._shelf.revisions.release(revision)
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
