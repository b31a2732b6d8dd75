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
    columns = tuple(series)
    if columns and (plain := _plain_rows(columns, start)) is not None:
        return plain
    heads: dict[int, tuple[int, int]] = {}
    cells: dict[int, list[tuple[str, float]]] = {}
    for one in columns:
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


def _plain_rows(columns: tuple[MetricSeries, ...], start: int) -> list[Row] | None:
    """Return the rows where every one has all series, and none is left out, as mostly; None otherwise."""
    first = columns[0]
    seq, count = first.first_seq, len(first.values)
    for one in columns:
        if one.seqs or one.first_seq != seq or len(one.values) != count:
            return None
    names = tuple([one.name for one in columns])
    rows = zip(
        range(seq, seq + count),
        first.steps,
        first.times,
        zip(*[one.values for one in columns], strict=True),
        strict=True,
    )
    return [Row(number, step, time_ns, names, values) for number, step, time_ns, values in rows if number >= start]
