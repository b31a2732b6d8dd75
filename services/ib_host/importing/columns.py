"""Columns that somebody brings, as those of stored bars."""

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.ib_host.bar_sizes import BarLength
from services.ib_host.importing.faults import RowFaults, note_prices, refused
from services.ib_host.store.columns import COLUMNS, SCHEMA, microseconds

_NEEDED: Final = ("time", "open", "high", "low", "close")
_ABSENT: Final = -1
_DAY: Final = 86_400_000_000
_FIRST: Final = microseconds(datetime(1800, 1, 1, tzinfo=ZoneInfo("UTC")))
_LAST: Final = microseconds(datetime(2200, 1, 1, tzinfo=ZoneInfo("UTC")))


def check_columns(schema: pa.Schema) -> None:
    """Check the names of the columns.

    Raises:
        ServiceError: INVALID_REQUEST: one is missing, unknown or there twice.
    """
    names = schema.names
    known = f"the columns are {', '.join(COLUMNS)}; volume, wap and count may be left out"
    if missing := [name for name in _NEEDED if name not in names]:
        raise refused(f"has no {', '.join(missing)}: {known}")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise refused(f"has {', '.join(map(repr, unknown[:5]))}: {known}")
    if len(set(names)) < len(names):
        raise refused("has a column twice")


def stored_columns(batch: pa.RecordBatch, bar: BarLength, *, positive: bool, first_row: int) -> pa.Table:
    """Return some bars with the columns of stored ones, in the order they came in.

    Args:
        batch: with the names of columns that `check_columns` wants.
        bar: length of the bars.
        positive: no price is zero or below it.
        first_row: number of the first of them, for errors, from 0.

    Raises:
        ServiceError: INVALID_REQUEST: a column is of another type, or values can't be; the first rows are named.
    """
    times = _times(batch.column("time"), bar)
    faults = RowFaults(first_row, times)
    values: dict[str, NDArray[Any]] = {"time": times}
    for field in SCHEMA:
        if field.name != "time":
            values[field.name] = _numbers(batch, field)
    faults.add((times < _FIRST) | (times >= _LAST), "the time is not between 1800 and 2200")
    if bar.dated:
        faults.add(times % _DAY != 0, "the time of a bar of a day or more is the midnight of its date")
    note_prices(faults, values, positive=positive)
    faults.raise_if_any()
    arrays = [pa.array(values[field.name]).cast(field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _times(column: pa.Array, bar: BarLength) -> "NDArray[np.int64]":
    """Return times in microseconds since the Unix epoch; of dated bars the midnight of the date, as if it were UTC."""
    kind = column.type
    if column.null_count:
        raise refused("time is missing in some rows")
    if pa.types.is_date(kind) and bar.dated:
        column = column.cast(pa.date32()).cast(pa.timestamp("us"))
    elif not pa.types.is_timestamp(kind):
        raise refused(f"time has {kind} instead of timestamps with a time zone{_or_dates(bar)}")
    elif kind.tz is None and not bar.dated:
        raise refused("time has no time zone: say which instants these are, best in UTC")
    elif kind.tz is not None and bar.dated:
        column = _local(column)
    try:
        whole = column.cast(pa.timestamp("us", tz=column.type.tz))
    except pa.ArrowInvalid as error:
        raise refused(f"time has fractions of a microsecond, or is out of range ({error})") from error
    times: NDArray[np.int64] = whole.cast(pa.int64()).to_numpy()
    return times


def _or_dates(bar: BarLength) -> str:
    return " or dates" if bar.dated else ""


def _local(column: pa.Array) -> pa.Array:
    """Return the wall time in the column's own zone: the midnight of New York names a date as that of UTC does."""
    try:
        return pc.local_timestamp(column)
    except pa.ArrowInvalid as error:
        raise refused(f"time has a time zone that is not known ({column.type.tz})") from error


def _numbers(batch: pa.RecordBatch, field: pa.Field) -> "NDArray[Any]":
    """Return a column as numbers; what may be left out is -1 where it is."""
    name = field.name
    if name not in batch.schema.names:
        return np.full(batch.num_rows, _ABSENT, dtype=field.type.to_pandas_dtype())
    column = batch.column(name)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise refused(f"{name} has {kind} instead of numbers")
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise refused(f"{name} cannot be stored as numbers ({error})") from error
    if name in _NEEDED:
        if numbers.null_count:
            raise refused(f"{name} is missing in some rows")
        values: NDArray[Any] = numbers.to_numpy()
        return values
    # A file has nothing, or "not a number", where a bar has no volume.
    filled: NDArray[np.float64] = numbers.fill_null(_ABSENT).to_numpy()
    present = np.where(np.isnan(filled), float(_ABSENT), filled)
    if name != "count":
        return present
    if not bool((np.isfinite(present) & (present == np.trunc(present))).all()):
        raise refused("count has fractions: it is a number of trades")
    return present.astype("<i8")
