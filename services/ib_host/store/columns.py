"""The columns of stored bars, and what can be done with them in memory."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

SCHEMA: Final = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("open", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("close", pa.float64(), nullable=False),
        pa.field("volume", pa.float64(), nullable=False),
        pa.field("wap", pa.float64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ]
)
"""`time` is the start of the bar; of dated bars the session's date at midnight. Volume, wap and count are -1 where the
kind of bar has none, as IB sends them."""

COLUMNS: Final = tuple(field.name for field in SCHEMA)
"""Their names, in order."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DATE: Final = _EPOCH.date()
_MICROSECOND: Final = timedelta(microseconds=1)


class ReceivedBar(Protocol):
    """A bar as the client library of the gateway delivers it."""

    date: date
    """The session's date, or (a datetime) the aware start of the bar."""
    open: float
    high: float
    low: float
    close: float
    volume: float
    average: float
    barCount: int  # noqa: N815 - the library's name


class Merged(NamedTuple):
    """What came of merging.

    Attributes:
        table: all bars, ascending, one for each time.
        new_rows: how many of them were not there before.
    """

    table: pa.Table
    new_rows: int


def microseconds(instant: datetime) -> int:
    """Return an aware instant as microseconds since the Unix epoch."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(microseconds_since_epoch: int) -> datetime:
    """Return the UTC instant of a number of microseconds since the Unix epoch."""
    return _EPOCH + microseconds_since_epoch * _MICROSECOND


def bar_time(moment: date) -> int:
    """Return the time of a received bar in microseconds: a date counts as its midnight UTC.

    Raises:
        ValueError: a datetime without a zone, which could mean any instant.
    """
    if not isinstance(moment, datetime):
        return (moment - _EPOCH_DATE).days * 86_400_000_000
    if moment.tzinfo is None:
        message = f"the bar's time {moment} has no zone"
        raise ValueError(message)
    return microseconds(moment)


def table_of(bars: Sequence[ReceivedBar]) -> pa.Table:
    """Return bars as columns, ascending, one for each time: the later of two in `bars` counts.

    Raises:
        ValueError: as `bar_time`.
    """
    columns = {
        "time": np.array([bar_time(bar.date) for bar in bars], dtype="<i8"),
        "open": np.array([bar.open for bar in bars], dtype="<f8"),
        "high": np.array([bar.high for bar in bars], dtype="<f8"),
        "low": np.array([bar.low for bar in bars], dtype="<f8"),
        "close": np.array([bar.close for bar in bars], dtype="<f8"),
        "volume": np.array([bar.volume for bar in bars], dtype="<f8"),
        "wap": np.array([bar.average for bar in bars], dtype="<f8"),
        "count": np.array([bar.barCount for bar in bars], dtype="<i8"),
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in SCHEMA]
    return _last_of_each_time(pa.Table.from_arrays(arrays, schema=SCHEMA))


def merge(old: pa.Table, new: pa.Table) -> Merged:
    """Return the bars of both; where both have a bar of the same time, the new one counts. Nothing is ever dropped."""
    table = _last_of_each_time(pa.concat_tables([old, new]))
    return Merged(table, table.num_rows - old.num_rows)


def times_of(table: pa.Table) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return the times in microseconds since the Unix epoch."""
    column = table.column("time")
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    # Looked at where they are: to_numpy would import pandas, which takes half a second, for the first bars of a host.
    if isinstance(array, pa.ChunkedArray) or not len(array):
        return np.zeros(0, dtype="<i8")
    return np.frombuffer(array.buffers()[1], dtype="<i8", count=len(array), offset=array.offset * 8)


def between(table: pa.Table, start: datetime | None, end: datetime | None) -> pa.Table:
    """Return the bars of an ascending table with start <= time < end; None leaves a side open."""
    times = times_of(table)
    low = 0 if start is None else int(np.searchsorted(times, microseconds(start)))
    high = len(times) if end is None else int(np.searchsorted(times, microseconds(end)))
    return table.slice(low, max(0, high - low))


def digest(table: pa.Table) -> str:
    """Return the SHA-256 (hexadecimal) of the values: column after column, each value as 8 bytes little-endian."""
    sha256 = hashlib.sha256()
    for field in SCHEMA:
        column = table.column(field.name)
        whole_number = field.name in {"time", "count"}
        values = (column.cast(pa.int64()) if whole_number else column).to_numpy()
        sha256.update(np.ascontiguousarray(values, dtype="<i8" if whole_number else "<f8").tobytes())
    return sha256.hexdigest()


def _last_of_each_time(table: pa.Table) -> pa.Table:
    times = times_of(table)
    if len(times) < 2 or bool((np.diff(times) > 0).all()):
        return table.combine_chunks()
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return table.take(pa.array(order[last])).combine_chunks()
