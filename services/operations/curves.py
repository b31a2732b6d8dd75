"""Points of several series, put together from batches."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.blocks import build_series, seqs_of, unpack
from services.operations.downsampling import kept_points
from services.operations.store_reader import StoredBlock


@dataclass(frozen=True)
class Curve:
    """The points of one series of one journal, as columns of the same length."""

    incarnation: str
    name: str
    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    times: "array[int]" = field(default_factory=lambda: array("q"))

    def append(self, series: MetricSeries, seqs: list[int], start: int, end: int) -> None:
        """Append the points `start` to `end` of a batch, whose sequence numbers are `seqs`."""
        self.seqs.extend(seqs[start:end])
        self.steps.extend(series.steps[start:end])
        self.values.extend(series.values[start:end])
        self.times.extend(series.times[start:end])

    def history(self, most: int = 0) -> pb.MetricHistory:
        """Return the points as they travel; `most` > 0 leaves points out until there are no more than that."""
        if not most or len(self.seqs) <= most:
            points = build_series(self.name, self.seqs.tolist(), self.steps, self.values, self.times)
            return pb.MetricHistory(incarnation=self.incarnation, points=points)
        kept = kept_points(self.values, most)
        columns = [[column[place] for place in kept] for column in (self.steps, self.times)]
        values = [self.values[place] for place in kept]
        points = build_series(self.name, [self.seqs[place] for place in kept], columns[0], values, columns[1])
        return pb.MetricHistory(incarnation=self.incarnation, points=points, downsampled=True)


class Curves:
    """Collects batches in the order of their journals, up to a number of points; a row is never split.

    Args:
        names: Series to collect; empty for all.
        after_seq: Only rows with a higher sequence number.
        room: Most points; one row is taken in any case. None for no limit.

    Attributes:
        full: Something did not fit.
        ordinal: Journal of the next row: its place among those of the attempt.
        seq: Sequence number of the next row, or a lower one.
    """

    def __init__(self, names: Collection[str], after_seq: int, room: int | None, *, ordinal: int, seq: int) -> None:
        self._names = frozenset(names)
        self._after_seq = after_seq
        self._room = room
        self._count = 0
        self._curves: dict[tuple[int, str], Curve] = {}
        self.full = False
        self.ordinal = ordinal
        self.seq = seq

    def add(self, block: StoredBlock) -> None:
        """Add the rows of a batch that are wanted and fit."""
        if self.full:
            return
        if block.ordinal != self.ordinal:
            self.ordinal, self.seq = block.ordinal, 0
        wanted = [series for series in unpack(block.data) if not self._names or series.name in self._names]
        rows = [(series, seqs_of(series)) for series in wanted]
        start = max(self.seq, self._after_seq + 1)
        end = self._end(start, [seqs for _, seqs in rows])
        for series, seqs in rows:
            first, last = bisect_left(seqs, start), bisect_left(seqs, end)
            if first < last:
                key = block.ordinal, series.name
                self._curves.setdefault(key, Curve(block.incarnation, series.name)).append(series, seqs, first, last)
                self._count += last - first
        self.seq = end

    def histories(self) -> list[Curve]:
        """Return the curves by journal and name."""
        return [self._curves[key] for key in sorted(self._curves)]

    def _end(self, start: int, columns: list[list[int]]) -> int:
        """Return the sequence number of the first row that is not taken."""
        total = sum(len(seqs) - bisect_left(seqs, start) for seqs in columns)
        after_last = max((seqs[-1] for seqs in columns if seqs), default=start - 1) + 1
        if self._room is None or self._count + total <= self._room:
            return max(after_last, start)
        left = self._room - self._count
        for seq, points in sorted(Counter(seq for seqs in columns for seq in seqs if seq >= start).items()):
            if points > left and (self._count or seq > start):
                self.full = True
                return seq
            left -= points
        return max(after_last, start)
