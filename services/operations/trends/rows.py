"""Points by row: what a worker reported with one event."""

from collections.abc import Iterable
from typing import NamedTuple

from ktrdr.host.v1.metrics_pb2 import MetricSeries


class Row(NamedTuple):
    """All points of one event."""

    seq: int
    """Number in its journal."""
    step: int
    """The epoch or batch."""
    time_ns: int
    """When it was written, nanoseconds since the Unix epoch, by the worker's clock."""
    names: tuple[str, ...]
    """Series that have a value."""
    values: tuple[float, ...]
    """The values, in the order of the names."""


class Point(NamedTuple):
    """One value of one series."""

    step: int
    value: float
    time_ns: int


def rows_of(series: Iterable[MetricSeries], start: int = 0) -> list[Row]:
    """Return the rows of a batch of points, by sequence number.

    Args:
        series: The points.
        start: Rows below this number are left out.
    """
    heads: dict[int, tuple[int, int]] = {}
    cells: dict[int, list[tuple[str, float]]] = {}
    for one in series:
        name, first = one.name, one.first_seq
        seqs = one.seqs or range(first, first + len(one.values))
        for seq, step, time_ns, value in zip(seqs, one.steps, one.times, one.values, strict=True):
            if seq >= start:
                heads[seq] = step, time_ns
                cells.setdefault(seq, []).append((name, value))
    rows = []
    for seq in sorted(heads):
        names, values = zip(*cells[seq], strict=True)
        rows.append(Row(seq, *heads[seq], names, values))
    return rows
