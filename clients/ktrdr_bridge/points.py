"""Points of one read, as columns."""

from array import array
from dataclasses import dataclass, field

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
    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))


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
        self.points += rows * max(1, len(run.names))
        if not run.names:
            return
        times_ns = array("q", [round(seconds * 1e9) for seconds in run.table[:: run.width]])
        for column, name in enumerate(run.names, run.width - len(run.names)):
            series = self._series.get(name)
            if series is None:
                series = self._series[name] = Series(name)
            series.seqs.extend(run.seqs)
            series.steps.extend(run.steps)
            series.times_ns.extend(times_ns)
            series.values.extend(run.table[column :: run.width])

    def series(self) -> list[Series]:
        """Return the series in the order in which their names appeared."""
        return list(self._series.values())
