"""Pack the one row that a live session has written since the last answer."""

import struct
from array import array
from functools import lru_cache

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import NewRow


class RowPacker:
    """Packs one row after the other into the same messages: to make a message costs ten times as much as to change it.

    What it returns is changed by the next call: merge it into an answer at once.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._columns = Session()
        self._cells: list[tuple[object, ...]] = []
        self._rows = Session()
        self._in_columns: NewRow | None = None
        self._in_rows: NewRow | None = None

    def columns(self, row: NewRow) -> Session:
        """Return a message with nothing but the row in columns."""
        if row is not self._in_columns:
            self._use(row.names)
            seq, step, time_ns = row.seq, row.step, row.time_ns
            for (series, steps, values, times), value in zip(self._cells, row.values, strict=True):
                series.first_seq = seq  # type: ignore[attr-defined]
                steps[0], values[0], times[0] = step, value, time_ns  # type: ignore[index]
            self._in_columns = row
        return self._columns

    def rows(self, row: NewRow) -> Session:
        """Return a message with nothing but the row as raw bytes."""
        if row is not self._in_rows:
            self._use(row.names)
            self._rows.metric_rows[0].data = raw_row(row.seq, row.step, row.time_ns, row.values)
            self._in_rows = row
        return self._rows

    def _use(self, names: tuple[str, ...]) -> None:
        """Lay the messages out for these metrics."""
        if names == self._names:
            return
        self._names = names
        self._columns, self._rows, self._cells = Session(), Session(), []
        self._in_columns = self._in_rows = None
        for name in names:
            series = self._columns.metrics.add(name=name, steps=(0,), values=(0.0,), times=(0,))
            self._cells.append((series, series.steps, series.values, series.times))
        self._rows.metric_rows.add(names=names, row_count=1)


def raw_row(seq: int, step: int, time_ns: int, values: "array[float]") -> bytes:
    """Return a row as `MetricRows.data` has it."""
    return _row_struct(len(values)).pack(seq, step, time_ns, *values)


@lru_cache(maxsize=1_024)
def _row_struct(values: int) -> struct.Struct:
    return struct.Struct(f"<Qqq{values}d")
