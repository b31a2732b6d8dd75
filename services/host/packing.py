"""Pack points for the wire."""

import struct
from typing import Final

from ktrdr.host.v1.metrics_pb2 import MetricRows, MetricSeries

from services.host.points import Points

_ROW_HEAD: Final = struct.Struct("<Qqq")


def to_columns(points: Points) -> list[MetricSeries]:
    """Pack points as columns."""
    packed = []
    for series in points.series.values():
        first = series.seqs[0]
        contiguous = series.seqs[-1] - first + 1 == len(series.seqs)
        packed.append(
            MetricSeries(
                name=series.name,
                first_seq=first,
                seqs=() if contiguous else series.seqs,
                steps=series.steps,
                values=series.values,
                times=series.times_ns,
            )
        )
    return packed


def to_rows(points: Points) -> list[MetricRows]:
    """Pack points as raw rows: one block for each set of metrics that were reported together."""
    cells: dict[int, dict[str, float]] = {}
    heads: dict[int, tuple[int, int]] = {}
    for series in points.series.values():
        for seq, step, value, time_ns in zip(series.seqs, series.steps, series.values, series.times_ns, strict=True):
            cells.setdefault(seq, {})[series.name] = value
            heads[seq] = (step, time_ns)
    blocks: dict[tuple[str, ...], list[bytes]] = {}
    for seq in sorted(cells):
        names = tuple(cells[seq])
        step, time_ns = heads[seq]
        row = _ROW_HEAD.pack(seq, step, time_ns) + struct.pack(f"<{len(names)}d", *cells[seq].values())
        blocks.setdefault(names, []).append(row)
    return [MetricRows(names=names, row_count=len(rows), data=b"".join(rows)) for names, rows in blocks.items()]
