"""Pack points for the wire."""

from array import array
from collections.abc import Mapping

from ktrdr.host.v1.metrics_pb2 import MetricRows, MetricSeries
from ktrdr_bridge import Series

from services.host.row_packer import raw_row


def to_columns(points: Mapping[str, Series]) -> list[MetricSeries]:
    """Pack points, by metric, as columns."""
    packed = []
    for series in points.values():
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


def to_rows(points: Mapping[str, Series]) -> list[MetricRows]:
    """Pack points, by metric, as raw rows: one block for each set of metrics that were reported together."""
    cells: dict[int, dict[str, float]] = {}
    heads: dict[int, tuple[int, int]] = {}
    for series in points.values():
        for seq, step, value, time_ns in zip(series.seqs, series.steps, series.values, series.times_ns, strict=True):
            cells.setdefault(seq, {})[series.name] = value
            heads[seq] = (step, time_ns)
    blocks: dict[tuple[str, ...], list[bytes]] = {}
    for seq in sorted(cells):
        row = raw_row(seq, *heads[seq], array("d", cells[seq].values()))
        blocks.setdefault(tuple(cells[seq]), []).append(row)
    return [MetricRows(names=names, row_count=len(rows), data=b"".join(rows)) for names, rows in blocks.items()]
