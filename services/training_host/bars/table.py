"""Arrow tables to bars."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.training_host.bars.series import COLUMNS, Bars


class NotBars(Exception):
    """A table does not have the columns of bars; the text says which are wrong."""


def bars_from_table(table: pa.Table, *, symbol: str, timeframe: str) -> Bars:
    """Take the columns of bars out of an Arrow table.

    Args:
        table: Has `time` (or `date`), `open`, `high`, `low`, `close` and `volume`, in any case and order. Times
            without a zone are UTC. With a column `symbol`, only its rows of that symbol are taken.
        symbol: The instrument.
        timeframe: Length of the bars.

    Raises:
        NotBars: A column is missing or cannot be read as times or numbers.
    """
    table = table.rename_columns([name.strip().lower() for name in table.column_names])
    names = table.column_names
    time_name = next((name for name in ("time", "date") if name in names), "time")
    missing = [name for name in (time_name, *COLUMNS) if names.count(name) != 1]
    if missing:
        raise NotBars(f"the columns {', '.join(missing)} are missing or there twice; there are: {', '.join(names)}")
    if "symbol" in names:
        table = table.filter(pc.equal(table["symbol"], symbol))
    values = {name: _numbers(table[name], name) for name in COLUMNS}
    return Bars(symbol=symbol, timeframe=timeframe, times=_times(table[time_name]), **values)


def between(bars: Bars, first_day: date, last_day: date) -> Bars:
    """Return the bars from the beginning of one day to the end of another, both UTC."""
    start, stop = (_nanoseconds(day) for day in (first_day, last_day + timedelta(days=1)))
    first, last = np.searchsorted(bars.times, [start, stop])
    return bars.rows(int(first), int(last))


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
