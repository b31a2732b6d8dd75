"""Read the small blocks that a journal's newest points lie in: protobuf messages, one for each answer of a host."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import Session

from services.operations.history.row_pattern import RowPattern
from services.operations.history.tables import Integers, Numbers, Table

_FEWEST_ALIKE: Final = 4
"""Blocks of the same size for which it pays to look for the pattern in them."""


def fresh_tables(blocks: Sequence[bytes]) -> Iterator[Table]:
    """Yield the points of blocks that follow each other."""
    for _, alike in groupby(blocks, key=len):
        run = list(alike)
        pattern = RowPattern.of(run[0]) if len(run) >= _FEWEST_ALIKE else None
        tables = pattern.tables(run) if pattern is not None else None
        if tables is not None:
            yield from tables
        else:
            for data in run:
                yield from tables_of(Session.FromString(data).metrics)


def tables_of(series: Iterable[MetricSeries]) -> list[Table]:
    """Return series as tables: those with the same sequence numbers, steps and times are one table."""
    alike: dict[tuple[bytes, bytes, bytes], list[tuple[str, Numbers]]] = {}
    columns: dict[tuple[bytes, bytes, bytes], tuple[Integers, Integers, Integers]] = {}
    for one in series:
        values = np.array(one.values, np.float64)
        steps, times = np.array(one.steps, np.int64), np.array(one.times, np.int64)
        if one.seqs:
            seqs = np.array(one.seqs, np.int64)
        else:
            seqs = np.arange(one.first_seq, one.first_seq + len(values), dtype=np.int64)
        key = seqs.tobytes(), steps.tobytes(), times.tobytes()
        columns.setdefault(key, (seqs, steps, times))
        alike.setdefault(key, []).append((one.name, values))
    return [
        Table(tuple(name for name, _ in found), *columns[key], tuple(values for _, values in found))
        for key, found in alike.items()
    ]
