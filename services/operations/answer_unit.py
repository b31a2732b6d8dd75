"""The unit that stores a host's answer as a whole: points, ends, new operations; now and then states and the cursor."""

from collections.abc import Sequence
from typing import NamedTuple

from services.operations.abandoned_sessions import forget_abandoned
from services.operations.blocks import pack
from services.operations.changes import Changes, Row
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import Change, LiveOperation
from services.operations.new_points import NewPoints
from services.operations.reading import Reading
from services.operations.stored_change import Shelf, StoredChange, add_operation


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
        self._known = _Points(shelf)  # of operations that were known
        self._found = _Points(shelf)  # of operations that are new
        self._shown: dict[str, LiveOperation] | None = None  # what is stored although it was shown already

    def add(self, update: OperationUpdate) -> None:
        """Add an operation."""
        operation = update.operation
        if update.change is not None or update.new:
            self._changes.append(StoredChange(self._shelf, operation, update.change, new=update.new))
        else:
            self._host.unstored.operations[operation.id] = operation
        if update.points is not None:
            (self._found if update.new else self._known).add(operation, update.points)

    def prepare(self, changes: Changes) -> None:
        """Add all points, what cannot be told again, and now and then everything that was shown, with the cursor.

        Points come before the end that their host told with them, and after the appearance of their operation: who
        reads up to any revision has all points of what has ended, and knows the operation of each point.
        """
        self._known.hold()
        if not self._reading.complete or self._host.unstored.is_due(self._now):
            self._add_shown(changes)
        changes.statements.extend(forget_abandoned(self._host.host_uid, self._removed))
        for change in self._changes:
            change.prepare(changes)
        self._found.hold()
        self._known.prepare(changes)
        self._found.prepare(changes)

    def committed(self) -> None:
        """Take note of what is stored, and show it."""
        self._known.committed()
        self._found.committed()
        self._host.reading = self._reading
        if self._shown is not None:
            self._host.unstored.stored(self._shown, self._reading.durable_cursor, self._now)
        for change in self._changes:
            change.committed()
        self._release()

    def failed(self) -> None:
        """Forget what was not stored: the same answer comes again."""
        for change in self._changes:
            change.failed()
        self._release()

    def _add_shown(self, changes: Changes) -> None:
        self._shown = dict(self._host.unstored.operations)
        for operation in self._shown.values():
            if operation.state.ended or self._shelf.live.get(operation.id) is not operation:
                continue
            if operation.staged:
                self._changes.append(StoredChange(self._shelf, operation, None))
                continue
            image = operation.image(None)
            # A message never gives back the memory of what it told before: the copy goes on in its place.
            operation.state.record, image.record = image.record, operation.state.record
            add_operation(changes, operation, image)
        changes.hosts.append({**self._host.row(), "cursor": self._reading.durable_cursor})

    def _release(self) -> None:
        self._known.release()
        self._found.release()


class _Points:
    """Points that are shown at one revision."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._points: list[tuple[LiveOperation, NewPoints]] = []
        self._revision: int | None = None

    def add(self, operation: LiveOperation, points: NewPoints) -> None:
        self._points.append((operation, points))

    def hold(self) -> None:
        """Take the next revision, if there are points."""
        if self._points:
            self._revision = self._shelf.revisions.hold()

    def prepare(self, changes: Changes) -> None:
        if self._revision is not None:
            for operation, points in self._points:
                _add_points(changes, operation, points, self._revision)

    def committed(self) -> None:
        if self._revision is not None:
            for operation, points in self._points:
                operation.positions.next_seq[points.incarnation] = points.last_seq + 1
                operation.stored_points += points.count
                self._shelf.tell_points(operation, points, self._revision)

    def release(self) -> None:
        if self._revision is not None:
            self._shelf.revisions.release(self._revision)
            self._shelf.index.notify()


def _add_points(changes: Changes, operation: LiveOperation, points: NewPoints, revision: int) -> None:
    incarnation = points.incarnation
    operation_id, attempt = operation.id, operation.record.attempt
    if incarnation not in operation.positions.next_seq:
        ordinal = operation.positions.ordinal(incarnation)
        journal: Row = {"operation_id": operation_id, "attempt": attempt, "incarnation": incarnation}
        changes.journals.append({**journal, "ordinal": ordinal, "next_seq": 0})
    changes.metric_blocks.append(
        {
            "operation_id": operation_id,
            "attempt": attempt,
            "incarnation": incarnation,
            "first_seq": points.first_seq,
            "last_seq": points.last_seq,
            "points": points.count,
            "revision": revision,
            "marks": None,
            "data": pack(points.series),
        }
    )
