"""What changed between two revisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from services.operations.deletion.tombstones import Tombstone
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.watching.recent_points import RecentPoints, ShownPoints
from services.operations.watching.stored_points import MergedBlock

AnyOperation = LiveOperation | OperationState


@dataclass(frozen=True)
class News:
    """Everything that changed above one revision and not above another, whoever wants it.

    Attributes:
        after: The first revision.
        up_to: The second one.
        operations: Operations that changed, by revision.
        tombstones: Operations that were deleted, by revision.
        points: Points that came, by revision.
        merged: Points that came, too: in blocks that also have points of other revisions.
        absent: Operations of points that were read from the store, by id.
    """

    after: int
    up_to: int
    operations: Sequence[AnyOperation]
    tombstones: Sequence[Tombstone] = ()
    points: Sequence[ShownPoints] = ()
    merged: Sequence[MergedBlock] = ()
    absent: Mapping[str, AnyOperation] = field(default_factory=dict)

    def operations_of(self, operation_ids: Iterable[str]) -> list[AnyOperation]:
        """Return those of some operations that changed, by revision."""
        found = [operation for one in operation_ids if (operation := self._by_id.get(one)) is not None]
        return sorted(found, key=revision_of)

    def points_of(self, operation_ids: Iterable[str]) -> list[ShownPoints]:
        """Return the points of some operations, by revision within each."""
        return [points for one in operation_ids for points in self.points_by_id.get(one, ())]

    @cached_property
    def points_by_id(self) -> Mapping[str, Sequence[ShownPoints]]:
        """The points by operation, and by revision within each."""
        found: dict[str, list[ShownPoints]] = {}
        for points in self.points:
            found.setdefault(points.operation_id, []).append(points)
        return found

    @cached_property
    def _by_id(self) -> Mapping[str, AnyOperation]:
        return {operation.record.id: operation for operation in self.operations}


class RecentNews:
    """Tells what changed lately, from memory alone.

    Args:
        registry: The operations.
        points: The points of the last seconds.
    """

    def __init__(self, registry: Registry, points: RecentPoints) -> None:
        self._registry = registry
        self._points = points

    def between(self, after: int, up_to: int, *, include_metrics: bool) -> News | None:
        """Return what changed, or None where memory does not go back far enough."""
        registry = self._registry
        if after < max(registry.index.floor, registry.deleted.floor):
            return None
        if include_metrics and after < self._points.floor:
            return None
        return News(
            after,
            up_to,
            registry.index.changed(after, up_to),
            registry.deleted.between(after, up_to),
            self._points.between(after, up_to) if include_metrics else (),
        )


def revision_of(operation: AnyOperation) -> int:
    """Return the revision of an operation's latest change."""
    return operation.record.revision
