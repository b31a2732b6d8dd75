"""Tables as series on the wire."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.history.tables import Table
from services.operations.history.wire import FieldStart, varints, zigzag

_SEQS: Final = FieldStart(MetricSeries, "seqs")
_STEPS: Final = FieldStart(MetricSeries, "steps")
_VALUES: Final = FieldStart(MetricSeries, "values")
_TIMES: Final = FieldStart(MetricSeries, "times")


def series_bytes(table: Table) -> Iterator[tuple[str, bytes]]:
    """Yield each series of a table, by name, as the bytes of a `ktrdr.host.v1.MetricSeries`."""
    first = int(table.seqs[0]) if len(table.seqs) else 0
    contiguous = not len(table.seqs) or int(table.seqs[-1]) - first + 1 == len(table.seqs)
    common = b"".join(
        (
            MetricSeries(first_seq=first).SerializeToString(),
            b"" if contiguous else _SEQS.of(varints(table.seqs.astype(np.uint64))),
            _STEPS.of(varints(zigzag(table.steps))),
            _TIMES.of(table.times.astype("<i8", copy=False).tobytes()),
        )
    )
    for name, column in zip(table.names, table.values, strict=True):
        values = _VALUES.of(column.astype("<f8", copy=False).tobytes())
        yield name, b"".join((MetricSeries(name=name).SerializeToString(), common, values))


def to_series(tables: list[Table]) -> list[MetricSeries]:
    """Return the series of tables as messages, in the order of the tables."""
    return [MetricSeries.FromString(data) for table in tables for _, data in series_bytes(table)]
