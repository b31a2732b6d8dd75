"""Points of one journal that came at different times, joined into one range."""

from collections.abc import Iterable, Iterator, Sequence

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.blocks import build_series, seqs_of
from services.operations.watching.recent_points import ShownPoints


def joined(points: Iterable[ShownPoints]) -> Iterator[bytes]:
    """Yield serialized responses, each with all points of one journal.

    Args:
        points: The points.
    """
    journals: dict[tuple[str, int, str], list[MetricSeries]] = {}
    for shown in points:
        journals.setdefault((shown.operation_id, shown.attempt, shown.incarnation), []).extend(shown.series)
    for (operation_id, attempt, incarnation), series in journals.items():
        metrics = pb.OperationMetrics(
            operation_id=operation_id, attempt=attempt, incarnation=incarnation, series=_one_each(series)
        )
        yield pb.WatchOperationsResponse(metrics=[metrics]).SerializeToString()


def _one_each(series: Sequence[MetricSeries]) -> list[MetricSeries]:
    """Return each series once, with all its points."""
    by_name: dict[str, list[MetricSeries]] = {}
    for one in series:
        by_name.setdefault(one.name, []).append(one)
    return [parts[0] if len(parts) == 1 else _concatenated(name, parts) for name, parts in by_name.items()]


def _concatenated(name: str, pieces: Sequence[MetricSeries]) -> MetricSeries:
    parts = sorted(pieces, key=lambda part: part.seqs[0] if part.seqs else part.first_seq)
    return build_series(
        name,
        [seq for part in parts for seq in seqs_of(part)],
        [step for part in parts for step in part.steps],
        [value for part in parts for value in part.values],
        [time for part in parts for time in part.times],
    )
