"""Pack the one row that a live session has written since the last answer."""

import struct
from array import array
from functools import lru_cache
from typing import Final

from ktrdr.host.v1.metrics_pb2 import MetricRows, MetricSeries
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import NewRow

from services.host.wire import FieldStart

_SERIES: Final = FieldStart(Session, "metrics")
_BLOCKS: Final = FieldStart(Session, "metric_rows")
_DATA: Final = FieldStart(MetricRows, "data")
_VALUES: Final = FieldStart(MetricSeries, "values").of(8)
_TIMES: Final = FieldStart(MetricSeries, "times").of(8)


class RowPacker:
    """Packs one row after the other of the same metrics: to make eight messages costs ten times as much.

    All series of a row have sequence number, step and time in common, and all rows the names. So the bytes of a row are
    put together from parts; what a number is in bytes is protobuf's own to say. The result is to be merged into a
    Session (`MergeFromString`).
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._head = MetricSeries(first_seq=0, steps=(0,))
        self._steps = self._head.steps
        self._head_bytes = -1
        self._columns = struct.Struct("")
        self._parts: list[object] = []
        self._rows_start = b""
        self._last: tuple[NewRow, bool, bytes] | None = None

    def pack(self, row: NewRow, *, raw_rows: bool) -> bytes:
        """Return the row, as columns or as raw bytes; packed once for all who ask for the same."""
        last = self._last
        if last is not None and last[0] is row and last[1] is raw_rows:
            return last[2]
        if row.names != self._names:
            self._names = row.names
            self._head_bytes = -1
            start = MetricRows(names=row.names, row_count=1).SerializeToString()
            data_bytes = raw_row_struct(len(row.names)).size
            start += _DATA.of(data_bytes)
            self._rows_start = _BLOCKS.of(len(start) + data_bytes) + start
        packed = self._rows_start + raw_row(row.seq, row.step, row.time_ns, row.values) if raw_rows else self._pack(row)
        self._last = row, raw_rows, packed
        return packed

    def _pack(self, row: NewRow) -> bytes:
        self._head.first_seq = row.seq
        self._steps[0] = row.step
        head, count = self._head.SerializeToString(), len(row.names)
        if len(head) != self._head_bytes:
            self._lay_out(row.names, len(head))
        parts = self._parts
        parts[1::4] = [head + _VALUES] * count
        parts[2::4] = row.values
        parts[3::4] = [_TIMES + row.time_ns.to_bytes(8, "little", signed=True)] * count
        return self._columns.pack(*parts)

    def _lay_out(self, names: tuple[str, ...], head_bytes: int) -> None:
        """Prepare for rows of these names whose sequence number and step take so many bytes."""
        self._head_bytes = head_bytes
        self._parts = []
        layout = "<"
        for name in names:
            start = MetricSeries(name=name).SerializeToString()
            start = _SERIES.of(len(start) + head_bytes + len(_VALUES) + len(_TIMES) + 16) + start
            self._parts += [start, b"", 0.0, b""]
            layout += f"{len(start)}s{head_bytes + len(_VALUES)}sd{len(_TIMES) + 8}s"
        self._columns = struct.Struct(layout)


def raw_row(seq: int, step: int, time_ns: int, values: "array[float]") -> bytes:
    """Return a row as `MetricRows.data` has it."""
    return raw_row_struct(len(values)).pack(seq, step, time_ns, *values)


@lru_cache(maxsize=1_024)
def raw_row_struct(values: int) -> struct.Struct:
    """Return the packer of rows with so many values."""
    return struct.Struct(f"<Qqq{values}d")
