"""The points of the last seconds, in memory, so that watches that keep up never need the store for them."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints


class ShownPoints(NamedTuple):
    """Points of one journal, and the revision at which they are shown."""

    revision: int
    operation_id: str
    attempt: int
    incarnation: str
    series: Sequence[MetricSeries]
    values: int
    operation: LiveOperation | None = None
    """Whose they are, where they come from memory."""


class RecentPoints:
    """Keeps points by revision, up to a number of values.

    Args:
        floor: Points at this revision or below are in the store only.
        kept_values: How many values to keep, over all series. The points of one revision stay or go together.

    Attributes:
        floor: Points at this revision or below are in the store only.
    """

    def __init__(self, floor: int, kept_values: int) -> None:
        self._points: deque[ShownPoints] = deque()
        self._values = 0
        self._kept_values = kept_values
        self.floor = floor

    def take(self, operation: LiveOperation, points: NewPoints, revision: int) -> None:
        """Take points that are stored, before their revision is shown."""
        shown = ShownPoints(
            revision,
            operation.id,
            operation.record.attempt,
            points.incarnation,
            points.series,
            points.count,
            operation,
        )
        if self._points and self._points[-1].revision > revision:
            place = next(place for place, other in enumerate(self._points) if other.revision > revision)
            self._points.insert(place, shown)
        else:
            self._points.append(shown)
        self._values += points.count
        while self._values > self._kept_values and self._points:
            self._drop_oldest()

    def between(self, after: int, up_to: int) -> list[ShownPoints]:
        """Return points with a revision above `after` and not above `up_to`, by revision.

        They are all there are only if `after` is not below `floor`.
        """
        found: list[ShownPoints] = []
        for points in reversed(self._points):
            if points.revision <= after:
                break
            if points.revision <= up_to:
                found.append(points)
        found.reverse()
        return found

    def _drop_oldest(self) -> None:
        self.floor = max(self.floor, self._points[0].revision)
        while self._points and self._points[0].revision <= self.floor:
            self._values -= self._points.popleft().values
