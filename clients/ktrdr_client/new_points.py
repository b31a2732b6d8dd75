"""Take each point of a watch once, however often its stream broke."""

from collections.abc import Sequence

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1.operations_pb2 import OperationMetrics

_Key = tuple[int, str, str]
"""Attempt, journal and series."""


class NewPoints:
    """Remembers, for each series of each journal, how far its points have come."""

    def __init__(self) -> None:
        self._next_seqs: dict[str, dict[_Key, int]] = {}

    def of(self, points: OperationMetrics) -> list[MetricSeries]:
        """Return those of some points that have not come yet."""
        next_seqs = self._next_seqs.setdefault(points.operation_id, {})
        fresh: list[MetricSeries] = []
        for series in points.series:
            key = (points.attempt, points.incarnation, series.name)
            seqs = seqs_of(series)
            if not seqs:
                continue
            first = next_seqs.get(key, 0)
            if seqs[-1] >= first:
                fresh.append(series if seqs[0] >= first else _tail(series, seqs, first))
                next_seqs[key] = seqs[-1] + 1
        return fresh

    def forget(self, operation_id: str) -> None:
        """Forget an operation that is gone."""
        self._next_seqs.pop(operation_id, None)


def seqs_of(series: MetricSeries) -> Sequence[int]:
    """Return the sequence number of each point."""
    return series.seqs or range(series.first_seq, series.first_seq + len(series.values))


def _tail(series: MetricSeries, seqs: Sequence[int], first: int) -> MetricSeries:
    """Return the points of a series from a sequence number on."""
    start = next(index for index, seq in enumerate(seqs) if seq >= first)
    return MetricSeries(
        name=series.name,
        first_seq=seqs[start],
        seqs=seqs[start:] if series.seqs else (),
        steps=series.steps[start:],
        values=series.values[start:],
        times=series.times[start:],
    )
