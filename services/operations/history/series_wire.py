"""Tables as series on the wire."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.history.tables import Table
from services.operations.history.wire import FieldStart, Parts, varints, zigzag

_SEQS: Final = FieldStart(MetricSeries, "seqs")
_STEPS: Final = FieldStart(MetricSeries, "steps")
_VALUES: Final = FieldStart(MetricSeries, "values")
_TIMES: Final = FieldStart(MetricSeries, "times")


def series_parts(table: Table) -> Iterator[tuple[str, Parts]]:
    """Yield each series of a table, by name, as the parts of a `ktrdr.host.v1.MetricSeries`."""
    first = int(table.seqs[0]) if len(table.seqs) else 0
    contiguous = not len(table.seqs) or int(table.seqs[-1]) - first + 1 == len(table.seqs)
    common = Parts(MetricSeries(first_seq=first).SerializeToString())
    if not contiguous:
        common.add_column(_SEQS, varints(table.seqs.astype(np.uint64)))
    common.add_column(_STEPS, varints(zigzag(table.steps)))
    common.add_column(_TIMES, np.ascontiguousarray(table.times, "<i8").data)
    for name, column in zip(table.names, table.values, strict=True):
        series = Parts(MetricSeries(name=name).SerializeToString())
        series.add_all(common)
        series.add_column(_VALUES, np.ascontiguousarray(column, "<f8").data)
        yield name, series


def to_series(tables: list[Table]) -> list[MetricSeries]:
    """Return the series of tables as messages, in the order of the tables."""
    return [MetricSeries.FromString(parts.joined()) for table in tables for _, parts in series_parts(table)]
