"""What an answer of a host changes: shown at once, or stored as a whole; now and then with all that was shown."""

from collections.abc import Sequence
from typing import NamedTuple

from services.operations.abandoned_sessions import forget_abandoned
from services.operations.changes import Changes, Row
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import Change, LiveOperation, ShownPoints
from services.operations.new_points import NewPoints
from services.operations.pacing import first_poll_delay
from services.operations.reading import Reading
from services.operations.shown_points import block_row
from services.operations.stored_change import Shelf, StoredChange, add_shown
from services.operations.unstored import Leaving


class OperationUpdate(NamedTuple):
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
        now: Monotonic time.
        removed: Sessions that the host has removed: they cannot be found again, and need not be known as abandoned.
    """

    def __init__(
        self, shelf: Shelf, host: FollowedHost, reading: Reading, now: float, removed: Sequence[str] = ()
    ) -> None:
        self._shelf = shelf
        self._host = host
        self._reading = reading
        self._now = now
        self._removed = removed
        self._changes: list[StoredChange] = []
        self._known: list[tuple[LiveOperation, NewPoints]] = []
        self._found: list[tuple[LiveOperation, NewPoints]] = []
        self._found_revision: int | None = None  # at which points of operations that are new are shown
        self._shown: Leaving | None = None  # what is stored although it was shown already

    def add(self, update: OperationUpdate) -> None:
        """Add an operation."""
        operation = update.operation
        if update.change is not None or update.new:
            self._changes.append(StoredChange(self._shelf, operation, update.change, new=update.new))
        if not update.new:
            self._host.unstored.operations[operation.id] = operation
        if update.points is not None:
            (self._found if update.new else self._known).append((operation, update.points))

    def show(self) -> bool:
        """Show what needs not be stored first; return whether there is anything that has to be stored now.

        Points come before the end that their host told with them, and after the appearance of their operation: who
        reads up to any revision has all points of what has ended, and knows the operation of each point.

        Raises:
            ServiceError: STORAGE_FULL: the store has taken nothing for long.
        """
        unstored = self._host.unstored
        if self._known:
            self._shelf.show_points(self._known)
            unstored.values += sum(points.count for _, points in self._known)
        if self._changes or self._removed or not self._reading.complete or unstored.has_to_be_waited_for:
            return True
        self._host.reading = self._reading
        return False

    def prepare(self, changes: Changes) -> None:
        """Add what cannot be told again, and now and then everything that was shown, with the cursor."""
        if not self._reading.complete or self._host.unstored.is_due(self._now):
            self._shown = self._host.unstored.leave()
            for operation in self._shown.operations.values():
                add_shown(changes, self._shelf, operation)
            changes.hosts.append({**self._host.row(), "cursor": self._reading.durable_cursor})
        changes.statements.extend(forget_abandoned(self._host.host_uid, self._removed))
        for change in self._changes:
            change.prepare(changes)
        if self._found:
            self._found_revision = self._shelf.revisions.hold()
            for operation, points in self._found:
                _add_points(changes, operation, ShownPoints.of(points, self._found_revision))

    def committed(self) -> None:
        """Take note of what is stored, and show it."""
        if self._found_revision is not None:
            for operation, points in self._found:
                operation.take_points(points)
                self._shelf.tell_points(operation, points, self._found_revision)
        self._host.reading = self._reading
        if self._shown is not None:
            turn = first_poll_delay(self._host.name, 1.0)
            self._host.unstored.stored(self._shown, self._reading.durable_cursor, self._now, turn=turn)
        for change in self._changes:
            change.committed()
        self._release()

    def failed(self) -> None:
        """Forget what was not stored: the same answer comes again."""
        if self._shown is not None:
            self._host.unstored.not_stored(self._shown)
        for change in self._changes:
            change.failed()
        self._release()

    def _release(self) -> None:
        if self._found_revision is not None:
            self._shelf.revisions.release(self._found_revision)
            self._shelf.index.notify()


def _add_points(changes: Changes, operation: LiveOperation, shown: ShownPoints) -> None:
    """Add the first points of an operation."""
    operation_id, attempt = operation.id, operation.record.attempt
    incarnation = shown.incarnation
    if incarnation not in operation.positions.next_seq:
        ordinal = operation.positions.ordinal(incarnation)
        journal: Row = {"operation_id": operation_id, "attempt": attempt, "incarnation": incarnation}
        changes.journals.append({**journal, "ordinal": ordinal, "next_seq": 0})
    changes.metric_blocks.append(block_row(operation_id, attempt, [shown]))
