"""Points as the answer to a query."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.history.raw_rows import rows_parts
from services.operations.history.series_wire import series_parts
from services.operations.history.tables import Table
from services.operations.history.wire import FieldStart, Parts, varint_bytes

ANSWER_BYTES: Final = 7 * 2**19
"""Most bytes of points in an answer: gRPC clients accept 4 MiB unless they are told otherwise."""

_SERIES: Final = FieldStart(pb.QueryMetricsResponse, "series")
_POINTS: Final = FieldStart(pb.MetricHistory, "points")
_ROWS: Final = FieldStart(pb.MetricHistory, "rows")
_NUMBER: Final = 8


@dataclass(frozen=True)
class JournalPoints:
    """Points of one journal.

    Attributes:
        operation_id: The operation.
        attempt: Its attempt.
        incarnation: The journal.
        tables: The points.
        thinned: Series of which points were left out.
    """

    operation_id: str
    attempt: int
    incarnation: str
    tables: list[Table]
    thinned: frozenset[str] = field(default_factory=frozenset)


def encoded(points: Callable[[], Iterable[JournalPoints]], rest: pb.QueryMetricsResponse, raw_rows: bool) -> bytes:
    """Return points, by journal and series, and the rest of an answer as the bytes of a `QueryMetricsResponse`."""
    answer = Parts()
    for found in points():
        for history in _rows(found) if raw_rows else _columns(found):
            answer.add_field(_SERIES, history)
    answer.add(rest.SerializeToString())
    return answer.joined()


def bytes_of_a_point(table: Table, *, raw_rows: bool) -> int:
    """Return how many bytes each point of a table takes in an answer, or a few less."""
    if raw_rows:
        return _NUMBER + -(-3 * _NUMBER // len(table.names))
    furthest = max(abs(int(table.steps.min())), abs(int(table.steps.max())))
    return 2 * _NUMBER + varint_bytes(2 * furthest) + varint_bytes(int(table.seqs[-1]))


def _columns(points: JournalPoints) -> Iterator[Parts]:
    every = [one for table in points.tables for one in series_parts(table)]
    for name, series in sorted(every, key=lambda one: one[0]):
        history = _head(points, downsampled=name in points.thinned)
        history.add_field(_POINTS, series)
        yield history


def _rows(points: JournalPoints) -> Iterator[Parts]:
    for names, rows in rows_parts(points.tables):
        history = _head(points, downsampled=not points.thinned.isdisjoint(names))
        history.add_field(_ROWS, rows)
        yield history


def _head(points: JournalPoints, *, downsampled: bool) -> Parts:
    head = pb.MetricHistory(
        operation_id=points.operation_id,
        attempt=points.attempt,
        incarnation=points.incarnation,
        downsampled=downsampled,
    )
    return Parts(head.SerializeToString())
