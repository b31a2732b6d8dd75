"""Points of one read, as columns."""

from array import array
from dataclasses import dataclass, field

from ktrdr_bridge.rows import Row


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
    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(slots=True)
class _Run:
    """Rows with the same names, values still side by side."""

    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))


class PointColumns:
    """Collects rows and turns them into series; columns are cut out of runs of rows, never appended value by value."""

    def __init__(self) -> None:
        self.points = 0
        self._runs: list[tuple[tuple[str, ...], _Run]] = []

    def add(self, seq: int, row: Row) -> None:
        """Take one row."""
        if not self._runs or self._runs[-1][0] != row.names:
            self._runs.append((row.names, _Run()))
        run = self._runs[-1][1]
        run.seqs.append(seq)
        run.steps.append(row.step)
        run.times_ns.append(row.time_ns)
        run.values.extend(row.values)
        self.points += len(row.names) or 1

    def series(self) -> list[Series]:
        """Return the series in the order in which their names appeared."""
        found: dict[str, Series] = {}
        for names, run in self._runs:
            for column, name in enumerate(names):
                series = found.setdefault(name, Series(name))
                series.seqs.extend(run.seqs)
                series.steps.extend(run.steps)
                series.times_ns.extend(run.times_ns)
                series.values.extend(run.values[column :: len(names)])
        return list(found.values())
