"""Metrics as DataFrames."""

from collections.abc import Iterable, Mapping

from ktrdr_client.errors import MissingLibrary
from ktrdr_client.metrics import MetricColumns, Metrics

try:
    import pandas as pd
except ImportError as missing:
    _MESSAGE = "metrics as a DataFrame need pandas: pip install pandas"
    raise MissingLibrary(_MESSAGE) from missing


def rows_of_events(metrics: Mapping[str, MetricColumns]) -> pd.DataFrame:
    """Return a row for each event; see `Metrics.to_pandas`."""
    several = any(journal for column in metrics.values() for journal in column.journals)
    frames = {name: _frame(column, several=several) for name, column in metrics.items()}
    if not frames:
        return pd.DataFrame(index=pd.Index([], name="seq", dtype="uint64"), columns=["step", "time"])
    events = pd.concat([frame[["step", "time"]] for frame in frames.values()])
    events = events[~events.index.duplicated()].sort_index()
    values = {name: frame["value"].reindex(events.index) for name, frame in frames.items()}
    return events.assign(**values)


def rows_of_points(metrics: Iterable[Metrics]) -> pd.DataFrame:
    """Return a row for each point; see `to_pandas`."""
    names = ["operation_id", "attempt", "series", "journal", "seq", "step", "time", "value"]
    frames = [
        _frame(column, several=True)
        .reset_index()
        .assign(operation_id=each.operation_id, attempt=each.attempt, series=name)
        for each in metrics
        for name, column in each.items()
    ]
    if not frames:
        return pd.DataFrame(columns=names)
    return pd.concat(frames, ignore_index=True)[names]


def _frame(column: MetricColumns, *, several: bool) -> pd.DataFrame:
    seqs = pd.Index(column.seqs, name="seq", dtype="uint64")
    index = pd.MultiIndex.from_arrays([column.journals, seqs], names=["journal", "seq"]) if several else seqs
    columns = {
        "step": column.steps,
        "time": pd.to_datetime(column.times_ns, utc=True),
        "value": column.values,
    }
    return pd.DataFrame(columns, index=index)
