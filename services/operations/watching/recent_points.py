"""The points of the last seconds, in memory, so that watches that keep up never need the store for them."""

from bisect import bisect_right, insort_right
from collections.abc import Sequence
from typing import NamedTuple

from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.blocks import unpack
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


class _Kept(NamedTuple):
    """Points as they are kept: packed, as they are seldom asked for."""

    revision: int
    operation: LiveOperation
    attempt: int
    incarnation: str
    data: bytes
    values: int

    def shown(self) -> ShownPoints:
        place = self.revision, self.operation.id, self.attempt, self.incarnation
        return ShownPoints(*place, unpack(self.data), self.values, self.operation)


class RecentPoints:
    """Keeps points by revision, up to a number of values.

    Args:
        floor: Points at this revision or below are in the store only.
        kept_values: How many values to keep, over all series. The points of one revision stay or go together.

    Attributes:
        floor: Points at this revision or below are in the store only.
    """

    def __init__(self, floor: int, kept_values: int) -> None:
        self._points: list[_Kept] = []  # by revision; those before `_first` have gone
        self._first = 0
        self._values = 0
        self._kept_values = kept_values
        self.floor = floor

    def take(self, operation: LiveOperation, points: NewPoints, revision: int) -> None:
        """Take points, before their revision is shown."""
        kept = _Kept(revision, operation, operation.attempt, points.incarnation, points.packed(), points.count)
        if self._points and self._points[-1].revision > revision:
            insort_right(self._points, kept, lo=self._first, key=_revision)
        else:
            self._points.append(kept)
        self._values += points.count
        while self._values > self._kept_values:
            self._drop_oldest()

    def between(self, after: int, up_to: int) -> list[ShownPoints]:
        """Return points with a revision above `after` and not above `up_to`, by revision.

        They are all there are only if `after` is not below `floor`.
        """
        start = bisect_right(self._points, after, lo=self._first, key=_revision)
        end = bisect_right(self._points, up_to, lo=start, key=_revision)
        return [points.shown() for points in self._points[start:end]]

    def _drop_oldest(self) -> None:
        self.floor = max(self.floor, self._points[self._first].revision)
        while self._first < len(self._points) and self._points[self._first].revision <= self.floor:
            self._values -= self._points[self._first].values
            self._first += 1
        if self._first > len(self._points) // 2:
            del self._points[: self._first]
            self._first = 0


def _revision(points: _Kept) -> int:
    return points.revision
