"""The metrics of an operation as columns."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ktrdr.operations.v1.operations_pb2 import MetricHistory

from ktrdr_client.errors import MissingLibrary

if TYPE_CHECKING:
    import pandas as pd

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
    downsampled: bool = False
    """Points were left out to keep to `max_points`; the first, the last and the extremes are there."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def times(self) -> list[datetime]:
        """When each point was written, UTC, to the microsecond."""
        return [_EPOCH + timedelta(microseconds=nanoseconds // 1000) for nanoseconds in self.times_ns]


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

    def to_pandas(self) -> "pd.DataFrame":
        """Return a DataFrame with one row for each event of the worker, in the order in which they happened.

        Its index is the sequence number; the columns are `step`, `time` (UTC) and one for each series, NaN where an
        event had no such value. The values of an epoch are one row; ask for the series of one kind to get a frame
        without gaps.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional, and slow: only who asks for a frame pays
        except ImportError as error:
            message = "metrics as a DataFrame need pandas: pip install pandas"
            raise MissingLibrary(message) from error
        frames = [
            pd.DataFrame(
                {"step": column.steps, "time": pd.to_datetime(column.times_ns, utc=True), name: column.values},
                index=pd.Index(column.seqs, name="seq"),
            )
            for name, column in self._columns.items()
        ]
        rows = pd.DataFrame(index=pd.Index([], name="seq", dtype="uint64"), columns=["step", "time"])
        for frame in frames:
            rows = frame.combine_first(rows) if len(rows) else frame
        return rows[["step", "time", *self._columns]]


def gather(operation_id: str, attempt: int, pages: Iterable[MetricHistory]) -> Metrics:
    """Return the metrics that the pages of an answer hold, each point once."""
    columns: dict[str, MetricColumns] = {}
    seen: set[tuple[str, str, int]] = set()
    for history in pages:
        points = history.points
        name = points.name
        column = columns.get(name)
        if column is None:
            column = columns[name] = MetricColumns(name, downsampled=history.downsampled)
        seqs = points.seqs or range(points.first_seq, points.first_seq + len(points.values))
        for seq, step, value, time_ns in zip(seqs, points.steps, points.values, points.times, strict=True):
            key = (history.incarnation, name, seq)
            if key not in seen:
                seen.add(key)
                column.seqs.append(seq)
                column.steps.append(step)
                column.values.append(value)
                column.times_ns.append(time_ns)
    return Metrics(operation_id, attempt, columns)
