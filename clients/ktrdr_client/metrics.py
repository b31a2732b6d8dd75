"""The metrics of an operation as columns."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ktrdr.operations.v1.operations_pb2 import MetricHistory

from ktrdr_client.errors import MissingLibrary

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MetricColumns:
    """The points of one series, oldest first; all columns have the same length.

    The columns are `array.array`s: indexable, iterable, and read by NumPy without a copy.
    """

    name: str
    """Name of the series, such as "val_loss"."""
    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    """Sequence number of each point in its journal."""
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    """The epoch, the batch, or the rows done so far."""
    values: "array[float]" = field(default_factory=lambda: array("d"))
    """The values; NaN and infinities are kept."""
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))
    """When each point was written, in nanoseconds since the Unix epoch, UTC, by the clock of the worker's machine."""
    journals: "array[int]" = field(default_factory=lambda: array("H"))
    """Journal of each point: the attempt's first is 0. There are several where work began anew, as loads may."""
    downsampled: bool = False
    """Points were left out to keep to `max_points`; the first, the last and the extremes are there."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def times(self) -> list[datetime]:
        """When each point was written, UTC, to the microsecond."""
        return [_EPOCH + timedelta(microseconds=nanoseconds // 1000) for nanoseconds in self.times_ns]

    def to_numpy(self) -> "NDArray[np.void]":
        """Return the points as an array of records with the fields `seq`, `step`, `time` and `value`.

        Times are `datetime64[ns]`, in UTC.

        Raises:
            MissingLibrary: NumPy is not installed.
        """
        try:
            import numpy as np  # noqa: PLC0415 - optional, and slow: only who asks for an array pays
        except ImportError as error:
            message = "metrics as arrays need NumPy: pip install numpy"
            raise MissingLibrary(message) from error
        fields = [("seq", "<u8"), ("step", "<i8"), ("time", "datetime64[ns]"), ("value", "<f8")]
        records = np.empty(len(self), dtype=fields)
        records["seq"], records["step"], records["value"] = self.seqs, self.steps, self.values
        records["time"] = np.asarray(self.times_ns).astype("datetime64[ns]")
        return records


class Metrics(Mapping[str, MetricColumns]):
    """All series of one attempt by name: `metrics["val_loss"].values`.

    Args:
        operation_id: Operation that they belong to.
        attempt: Attempt that they belong to.
        columns: The series.
    """

    def __init__(self, operation_id: str, attempt: int, columns: Mapping[str, MetricColumns]) -> None:
        self.operation_id = operation_id
        self.attempt = attempt
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> MetricColumns:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        series = ", ".join(f"{name}: {len(column)}" for name, column in self._columns.items())
        return f"<Metrics of {self.operation_id}, attempt {self.attempt}: {series}>"

    def to_numpy(self) -> "dict[str, NDArray[np.void]]":
        """Return each series as an array of records; see `MetricColumns.to_numpy`.

        Raises:
            MissingLibrary: NumPy is not installed.
        """
        return {name: column.to_numpy() for name, column in self._columns.items()}

    def to_pandas(self) -> "pd.DataFrame":
        """Return a DataFrame with one row for each event of the worker, in the order in which they happened.

        Its index is the sequence number (with the number of the journal before it where there are several); the
        columns are `step`, `time` (UTC) and one for each series, NaN where an event had no such value. The values of an
        epoch are one row; ask for the series of one kind to get a frame without gaps.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        from ktrdr_client.metric_frames import rows_of_events  # noqa: PLC0415 - so does the import of pandas

        return rows_of_events(self)


def to_pandas(metrics: Iterable[Metrics]) -> "pd.DataFrame":
    """Return the points of several operations, or of several attempts, as one DataFrame with a row for each point.

    Its columns are `operation_id`, `attempt`, `series`, `journal`, `seq`, `step`, `time` (UTC) and `value`: the form
    that plots and pivot tables take, such as
    `frame[frame.series == "val_loss"].pivot_table("value", "step", "operation_id")`.

    Args:
        metrics: Whose, such as the values of what `compare_metrics` returns.

    Raises:
        MissingLibrary: pandas is not installed.
    """
    from ktrdr_client.metric_frames import rows_of_points  # noqa: PLC0415 - optional, and slow to import

    return rows_of_points(metrics)


def gather(operation_id: str, attempt: int, pages: Iterable[MetricHistory]) -> Metrics:
    """Return the metrics that the pages of an answer hold, each point once."""
    histories = list(pages)
    thinned = {history.points.name for history in histories if history.downsampled}
    columns: dict[str, MetricColumns] = {}
    journals: dict[str, int] = {}
    next_seqs: dict[tuple[str, str], int] = {}
    for history in histories:
        points = history.points
        name = points.name
        if name not in columns:
            columns[name] = MetricColumns(name, downsampled=name in thinned)
        column = columns[name]
        seqs = points.seqs or range(points.first_seq, points.first_seq + len(points.values))
        journal = journals.setdefault(history.incarnation, len(journals))
        # A journal's points come in order, so what is there already is what comes again at the beginning.
        start = bisect_left(seqs, next_seqs.get((history.incarnation, name), 0))
        if start < len(seqs):
            next_seqs[history.incarnation, name] = seqs[-1] + 1
            column.seqs.extend(seqs[start:])
            column.steps.extend(points.steps[start:])
            column.values.extend(points.values[start:])
            column.times_ns.extend(points.times[start:])
            column.journals.extend([journal] * (len(seqs) - start))
    return Metrics(operation_id, attempt, columns)
