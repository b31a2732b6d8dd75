"""All operations: those at work in memory, and the rules by which they change.

Two kinds of change:

- `show`: what hosts will tell again after a crash (progress, points, reachability). It is seen at once, stored later.
- `change`: what only the registry knows, and each end of an operation. It is stored first, and seen when durable.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Self

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.blocks import unpack
from services.operations.change_index import ChangeIndex
from services.operations.changes import Changes, Row
from services.operations.deletion.loading import load_deletions
from services.operations.deletion.tombstones import Deletions
from services.operations.group_commit import GroupCommit
from services.operations.identifiers import derived_operation_id, parse_session_id
from services.operations.live_operation import Change, LiveOperation, ShownPoints
from services.operations.new_points import NewPoints, new_points, show_latest
from services.operations.operation_state import Delivery, OperationState, microseconds
from services.operations.revisions import Revisions
from services.operations.store import Store
from services.operations.store_reader import StoredBlock
from services.operations.stored_change import StoredChange, add_shown
from services.operations.told_session import ToldSession

OperationListener = Callable[[LiveOperation], None]
"""Called with an operation of which something has come to be known."""

_STORED_AT_ONCE: Final = 200
"""Operations that are stored together: putting a transaction together takes the event loop."""

PointsListener = Callable[[LiveOperation, NewPoints, int], None]
"""Called with an operation, new points of its latest attempt, and the revision at which they are shown."""


class Registry:
    """Operations in memory, and the way to the store.

    Args:
        store: Where everything is kept.
        clock: The time.
        revisions: The counter of changes.

    Attributes:
        live: Operations that have not ended, by id.
        sessions: Some of them by the identity of their host and the id of their session: those that were found before.
        index: Operations in memory by revision; includes those that ended lately.
        revisions: The counter of changes.
        commits: Stores units.
        deleted: Operations that were deleted, by the revision of their deletion.
    """

    def __init__(self, store: Store, clock: Clock, revisions: Revisions) -> None:
        self._store = store
        self.revisions = revisions
        self.index = ChangeIndex(floor=revisions.visible)
        self.commits = GroupCommit(_Housekeeping(store, revisions, clock))
        self.live: dict[str, LiveOperation] = {}
        self.sessions: dict[tuple[str, str], LiveOperation] = {}
        self.deleted = Deletions()
        self._points_listeners: list[PointsListener] = []
        self._end_listeners: list[OperationListener] = []
        self._input_listeners: list[OperationListener] = []

    @classmethod
    async def load(cls, store: Store, clock: Clock) -> Self:
        """Return the registry with the operations that the store says are at work."""
        registry = cls(store, clock, Revisions(await store.read.revision_limit()))
        registry.deleted = await load_deletions(store.read)
        await registry.commits.commit(_Nothing())  # reserves the first block of revisions
        positions = await store.read.live_positions()
        newer = await store.read.live_blocks()
        for state in await store.read.live_operations():
            operation = LiveOperation(state, stored_points=state.record.metric_points)
            key = state.record.id, state.record.attempt
            operation.positions = positions.get(key, operation.positions)
            for block in newer.get(key, ()):
                _take_stored(operation, block)
            if state.delivery is Delivery.ACCEPTED:
                operation.accepted_at = float("-inf")
            # What was shown last before the restart may not be stored. With a new revision each watch that resumes gets
            # the operation as it is now, whatever it has or has not seen of it.
            operation.record.revision = registry.revisions.issue()
            registry.live[operation.id] = operation
            registry.index.touch(operation)
        return registry

    def find(self, host: str, host_uid: str, session_id: str) -> LiveOperation | None:
        """Return the live operation that a session of a host belongs to, or None."""
        key = host_uid, session_id
        if (known := self.sessions.get(key)) is not None:
            state = known.state
            here = state.host_uid == host_uid and state.settled.session_id == session_id
            if here and self.live.get(known.id) is known:
                return known
            del self.sessions[key]
        found = self._find(host, host_uid, session_id)
        if found is not None and found.state.host_uid == host_uid and found.record.session_id == session_id:
            self.sessions[key] = found
        return found

    def _find(self, host: str, host_uid: str, session_id: str) -> LiveOperation | None:
        attempt = parse_session_id(session_id)
        if attempt and (operation := self.live.get(attempt.operation_id)):
            state = operation.state
            ours = state.record.session_id == session_id and state.record.host == host
            if ours and state.delivery is not Delivery.NEW and state.host_uid in {"", host_uid}:
                return operation
            if state.host_uid == host_uid and state.record.session_id == session_id:
                return operation
        found = self.live.get(derived_operation_id(host_uid, session_id))
        # It may be at its next attempt, which has another session.
        return found if found is not None and found.record.session_id == session_id else None

    async def get(self, operation_id: str) -> LiveOperation | OperationState:
        """Return an operation: from memory while it is there, and from the store after that.

        Raises:
            ServiceError: OPERATION_NOT_FOUND.
        """
        operation = self.live.get(operation_id) or self.index.get(operation_id)
        found = operation or await self._store.read.operation(operation_id)
        if found is None:
            raise ServiceError(ErrorReason.ERROR_REASON_OPERATION_NOT_FOUND, operation_id=operation_id)
        return found

    async def insert(self, operation: LiveOperation, request: Row | None = None) -> None:
        """Store a new operation, and then show it, unless it is hidden.

        Args:
            operation: The operation.
            request: Row of the table of requests to store with it.
        """
        await self.commits.commit(StoredChange(self, operation, None, new=True, request=request))

    async def change(self, operation: LiveOperation, change: Change) -> None:
        """Store a change of an operation, and then show it. An operation that has ended stays as it is."""
        await self.commits.commit(StoredChange(self, operation, change))

    async def reveal(self, operation: LiveOperation) -> None:
        """Show an operation that was hidden. It gets a new revision, so that no watch has passed it already."""
        if not operation.hidden:
            return
        operation.hidden = False
        try:
            await self.change(operation, _nothing_changes)
        except ServiceError:  # the operation itself is in the store since `insert`
            self.show(operation, _is_news)

    async def remove(self, operation: LiveOperation) -> None:
        """Forget a hidden operation, in the store too: it was refused before anyone was told of it."""
        await self.commits.commit(_Removal(operation.id))
        self.live.pop(operation.id, None)

    def on_points(self, listener: PointsListener) -> None:
        """Call `listener` with new points, before their revision may be shown. They may not be stored yet."""
        self._points_listeners.append(listener)

    def tell_points(self, operation: LiveOperation, points: NewPoints, revision: int) -> None:
        """Tell all listeners of points that are shown at `revision`."""
        for listener in self._points_listeners:
            listener(operation, points, revision)

    def show_points(self, taken: Sequence[tuple[LiveOperation, NewPoints]]) -> None:
        """Show points of operations that are known, all at one revision. They are stored with their operations."""
        revision = self.revisions.issue()
        for operation, points in taken:
            operation.take_points(points)
            operation.shown_points.append(ShownPoints.of(points, revision))
            self.tell_points(operation, points, revision)
        self.index.notify()

    async def points_stored(self, up_to: int | None = None) -> None:
        """Return when all points that are shown up to a revision are in the store, all points if none is given.

        Raises:
            ServiceError: The store did not take them.
        """
        revision = self.revisions.latest if up_to is None else up_to
        waiting = [one for one in self.live.values() if one.shown_points and one.shown_points[0].revision <= revision]
        for start in range(0, len(waiting), _STORED_AT_ONCE):
            await self.commits.commit(_Shown(self, waiting[start : start + _STORED_AT_ONCE]))
        await self.commits.settled()

    async def settled(self, *operations: LiveOperation) -> None:
        """Return when everything that is shown of these operations is in the store, or the store does not take it."""
        if waiting := [one for one in operations if one.shown_points]:
            with contextlib.suppress(ServiceError):
                await self.commits.commit(_Shown(self, waiting))
        await self.commits.settled()

    def on_inputs(self, listener: OperationListener) -> None:
        """Call `listener` with an operation at work each time its host tells what it reads. It must be quick."""
        self._input_listeners.append(listener)

    def tell_inputs(self, operation: LiveOperation) -> None:
        """Tell all listeners that the host has told what an operation reads."""
        for listener in self._input_listeners:
            listener(operation)

    def on_end(self, listener: OperationListener) -> None:
        """Call `listener` with each operation that ends, as soon as the end is stored. It must be quick."""
        self._end_listeners.append(listener)

    def tell_end(self, operation: LiveOperation) -> None:
        """Tell all listeners that an operation has ended."""
        for listener in self._end_listeners:
            listener(operation)

    def show(self, operation: LiveOperation, change: Callable[[OperationState], bool]) -> None:
        """Change what is shown of an operation without storing it.

        Args:
            operation: What changes. One that has ended stays as it is.
            change: How; returns whether anything did change.
        """
        if operation.state.ended or not change(operation.state):
            return
        if not operation.hidden:
            operation.record.revision = self.revisions.issue()
            self.index.touch(operation)

    def show_later(self, operation: LiveOperation, told: ToldSession) -> None:
        """Change what is shown of an operation when somebody asks for it."""
        told.show_later()
        revision = operation.state.later_revision = self.revisions.issue()
        self.index.touch(operation, revision)


class _Housekeeping:
    """Stores, with other changes, which revisions may be issued next, and forgets request ids that are a day old."""

    def __init__(self, store: Store, revisions: Revisions, clock: Clock) -> None:
        self._store = store
        self._revisions = revisions
        self._clock = clock

    async def write(self, changes: Changes) -> None:
        if changes.requests:
            changes.requests_expired_us = microseconds(self._clock.now())
        changes.revision_limit = self._revisions.wanted_limit()
        await self._store.write(changes)
        if changes.revision_limit is not None:
            self._revisions.extend(changes.revision_limit)


class _Nothing:
    """A transaction for its own sake."""

    def prepare(self, changes: Changes) -> None:
        """Add nothing."""

    def committed(self) -> None:
        """Nothing follows."""

    def failed(self) -> None:
        """Nothing follows."""


class _Shown(_Nothing):
    """Stores what is shown of operations."""

    def __init__(self, registry: Registry, operations: Sequence[LiveOperation]) -> None:
        self._registry = registry
        self._operations = operations

    def prepare(self, changes: Changes) -> None:
        """Add the operations and their points."""
        for operation in self._operations:
            add_shown(changes, self._registry, operation)


class _Removal(_Nothing):
    """Removes an operation."""

    def __init__(self, operation_id: str) -> None:
        self._operation_id = operation_id

    def prepare(self, changes: Changes) -> None:
        """Add the id."""
        changes.removed_operations.append(self._operation_id)


def _take_stored(operation: LiveOperation, block: StoredBlock) -> None:
    """Take points of the store that are newer than the stored operation."""
    points = new_points(operation.positions, block.incarnation, unpack(block.data))
    if points is not None:
        operation.take_points(points)
        operation.record.metric_points = operation.stored_points
        show_latest(operation.record, points)


def _is_news(_: OperationState) -> bool:
    """Leave the state as it is, and have it told."""
    return True


def _nothing_changes(_: OperationState) -> None:
    """Leave the state as it is."""
