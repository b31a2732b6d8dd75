"""Points of one read, as columns."""

from array import array
from dataclasses import dataclass

from ktrdr_bridge.rows import Run


@dataclass(slots=True)
class Series:
    """Points of one metric, in the order they were written.

    Attributes:
        name: The metric.
        seqs: Each point's row in its journal; not contiguous where rows of several kinds alternate.
        steps: Epoch, batch or completed units of the row.
        values: NaN and infinities included.
        times_ns: Unix time (ns) of the row, to about a quarter of a microsecond.
    """

    name: str
    seqs: "array[int]"
    steps: "array[int]"
    values: "array[float]"
    times_ns: "array[int]"


@dataclass(slots=True)
class NewRow:
    """The points of one row.

    Attributes:
        names: The metrics.
        seq: The row in its journal.
        step: Epoch, batch or completed units.
        time_ns: Unix time (ns).
        values: One a name; NaN and infinities included.
    """

    names: tuple[str, ...]
    seq: int
    step: int
    time_ns: int
    values: "array[float]"


def series_of(run: Run) -> list[Series]:
    """Return a run's points by metric, each with arrays of its own."""
    seqs, steps, table, width = run.seqs, run.steps, run.table, run.width
    times_ns = array("q", [round(seconds * 1e9) for seconds in table[::width]])
    first = width - len(run.names)
    return [
        Series(name, seqs[:], steps[:], table[column::width], times_ns[:])
        for column, name in enumerate(run.names, first)
    ]


def series_of_row(row: NewRow) -> list[Series]:
    """Return one row's points by metric, each with arrays of its own."""
    seqs, steps, times_ns = array("Q", (row.seq,)), array("q", (row.step,)), array("q", (row.time_ns,))
    return [
        Series(name, seqs[:], steps[:], row.values[column : column + 1], times_ns[:])
        for column, name in enumerate(row.names)
    ]


class PointColumns:
    """Collects runs of rows as series; columns are cut out of the runs, never appended value by value.

    Attributes:
        points: Values so far; a row without any counts as one.
    """

    def __init__(self) -> None:
        self.points = 0
        self._series: dict[str, Series] = {}

    def add(self, run: Run) -> None:
        """Take a run of rows."""
        rows = len(run.steps)
        if not self._series and run.names:
            self.points = rows * len(run.names)
            self._series = {series.name: series for series in series_of(run)}
            return
        self.points += rows * max(1, len(run.names))
        if not run.names:
            return
        times_ns = array("q", [round(seconds * 1e9) for seconds in run.table[:: run.width]])
        for column, name in enumerate(run.names, run.width - len(run.names)):
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = Series(name, array("Q"), array("q"), array("d"), array("q"))
            series.seqs.extend(run.seqs)
            series.steps.extend(run.steps)
            series.times_ns.extend(times_ns)
            series.values.extend(run.table[column :: run.width])

    def series(self) -> list[Series]:
        """Return the series in the order in which their names appeared."""
        return list(self._series.values())
