"""Arrow tables to bars."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.training_host.bars.series import COLUMNS, Bars

_ABSENT: Final = -1


class NotBars(Exception):
    """A table does not have the columns of bars; the text says which are wrong."""


def bars_from_table(table: pa.Table, *, symbol: str, timeframe: str) -> Bars:
    """Take the columns of bars out of an Arrow table whose rows are all of one series.

    Args:
        table: Has `time` (or `date`), `open`, `high`, `low`, `close` and `volume`, in any case and order. Times
            without a zone are UTC.
        symbol: The instrument.
        timeframe: Length of the bars.

    Raises:
        NotBars: A column is missing or cannot be read as times or numbers.
    """
    table = with_plain_names(table)
    names = table.column_names
    time_name = next((name for name in ("time", "date") if name in names), "time")
    missing = [name for name in (time_name, *COLUMNS) if names.count(name) != 1]
    if missing:
        raise NotBars(f"the columns {', '.join(missing)} are missing or there twice; there are: {', '.join(names)}")
    values = {name: _numbers(table[name], name) for name in COLUMNS}
    return Bars(symbol=symbol, timeframe=timeframe, times=_times(table[time_name]), **values)


def with_plain_names(table: pa.Table) -> pa.Table:
    """Return the table with names of columns in small letters, without blanks around them."""
    return table.rename_columns([name.strip().lower() for name in table.column_names])


def rows_by_value(table: pa.Table, column: str, values: Sequence[str]) -> dict[str, pa.Table]:
    """Take a table apart by one of its columns.

    Args:
        table: With plain names.
        column: Its name. Where it is not there, all rows are of the first value.
        values: Those that are wanted; rows with others are left out.

    Returns:
        The rows of each value that has any, in their order.

    Raises:
        NotBars: The column is there twice.
    """
    if table.column_names.count(column) > 1:
        raise NotBars(f"the column {column} is there twice")
    if column not in table.column_names:
        return {values[0]: table} if table.num_rows else {}
    # A column of figures, as some exchanges have for symbols, is read as numbers.
    positions = pc.index_in(table[column].cast(pa.string()), value_set=pa.array(values, pa.string()))
    codes: NDArray[np.int64] = positions.fill_null(_ABSENT).cast(pa.int64()).to_numpy()
    order = np.argsort(codes, kind="stable")
    borders = np.searchsorted(codes[order], np.arange(len(values) + 1))
    return {
        value: table.take(pa.array(order[start:stop]))
        for value, start, stop in zip(values, borders, borders[1:], strict=False)
        if start < stop
    }


def between(bars: Bars, first_day: date, last_day: date) -> Bars:
    """Return the bars from the beginning of one day to the end of another, both UTC."""
    start, stop = (_nanoseconds(day) for day in (first_day, last_day + timedelta(days=1)))
    return bars.where((bars.times >= start) & (bars.times < stop))


def _nanoseconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000_000


def _numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    try:
        numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise NotBars(f"the column {name} has {column.type} instead of numbers") from None
    return numbers


def _times(column: pa.ChunkedArray) -> np.ndarray:
    try:
        zoned = column.cast(pa.timestamp("ns", column.type.tz if pa.types.is_timestamp(column.type) else None))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise NotBars(f"the times have {column.type} that cannot be read; write them like 2013-03-01") from None
    if zoned.null_count:
        raise NotBars("some times are missing")
    nanoseconds: np.ndarray = zoned.cast(pa.int64()).to_numpy()
    return nanoseconds
