"""Tables as raw rows: for readers that load them straight into an array."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from ktrdr.host.v1.metrics_pb2 import MetricRows

from services.operations.history.tables import Integers, Table
from services.operations.history.wire import FieldStart, Parts

_DATA: Final = FieldStart(MetricRows, "data")


def rows_parts(tables: Sequence[Table]) -> Iterator[tuple[Sequence[str], Parts]]:
    """Yield the rows of each set of series, with their names, as the parts of a `ktrdr.host.v1.MetricRows`.

    All series of an event have its step and time in common: where the tables disagree, the first one counts.
    """
    for table in _by_set_of_series(tables):
        layout = np.dtype([("seq", "<i8"), ("step", "<i8"), ("time", "<i8"), ("values", "<f8", (len(table.names),))])
        rows = np.empty(len(table.seqs), layout)
        rows["seq"], rows["step"], rows["time"] = table.seqs, table.steps, table.times
        for place, column in enumerate(table.values):
            rows["values"][:, place] = column
        parts = Parts(MetricRows(names=table.names, row_count=len(rows)).SerializeToString())
        parts.add_column(_DATA, rows.data)
        yield table.names, parts


def _by_set_of_series(tables: Sequence[Table]) -> list[Table]:
    """Return the same points as tables that have each row in one of them only, in the order of their first rows."""
    if len(tables) < 2:
        return list(tables)
    seqs = np.unique(np.concatenate([table.seqs for table in tables]))
    steps, times = np.empty_like(seqs), np.empty_like(seqs)
    present = np.zeros((len(seqs), len(tables)), np.bool_)
    for number, table in reversed(list(enumerate(tables))):
        places = seqs.searchsorted(table.seqs)
        steps[places], times[places], present[places, number] = table.steps, table.times, True
    _, firsts, kinds = np.unique(np.packbits(present, axis=1), axis=0, return_index=True, return_inverse=True)
    found = []
    for kind in np.argsort(firsts):
        rows = np.flatnonzero(kinds.reshape(-1) == kind)
        of_row = [table for table, here in zip(tables, present[rows[0]], strict=True) if here]
        found.append(_together(of_row, seqs[rows], steps[rows], times[rows]))
    return found


def _together(tables: Sequence[Table], seqs: Integers, steps: Integers, times: Integers) -> Table:
    """Return rows that each of the tables has, with the series of all of them by name."""
    columns = {
        name: column[table.seqs.searchsorted(seqs)]
        for table in tables
        for name, column in zip(table.names, table.values, strict=True)
    }
    names = tuple(sorted(columns))
    return Table(names, seqs, steps, times, tuple(columns[name] for name in names))
