"""From tables of other programs to tables of bars, in the columns and types that the IB host takes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ktrdr_client.bar_formats.columns import OPTIONAL, PRICES, ColumnChoice, NotBars, choose_columns
from ktrdr_client.bar_formats.faults import RowFaults
from ktrdr_client.bar_formats.instants import EARLIEST_US, LATEST_US, InstantReader, epoch_us, repeated
from ktrdr_client.bar_formats.prices import check_prices

TIME_TYPE: Final = pa.timestamp("us", "UTC")
_ASSUMED_UTC: Final = "times without a zone are taken as UTC; name their time zone if it is another one"


@dataclass(frozen=True)
class Reading:
    """How the times of a table are meant."""

    dates: bool
    """The bars are daily or longer: only the date counts."""
    zone: tzinfo | None = None
    """Zone of times that say none, and of the dates of daily bars; None: UTC."""
    time_format: str = ""
    """How times are written, as `strptime` has it; empty: ISO 8601, or seconds since 1970."""


@dataclass
class ReadBars:
    """Bars that were read."""

    table: pa.Table
    """Columns time, open, high, low, close, and those of volume, wap and count that there were; ascending."""
    notes: list[str] = field(default_factory=list)
    """What the reader took for granted, for people."""


def bars_from(table: pa.Table, reading: Reading, faults: RowFaults) -> ReadBars:
    """Return the bars of a table, in time order. Where there are faults, the bars are worth nothing.

    Args:
        table: With a row for each bar; texts are read as a file would be.
        reading: How its times are meant.
        faults: Takes what is wrong, by row.

    Raises:
        NotBars: A column is missing, two could be the same one, or there are no rows.
    """
    choice = choose_columns(table.column_names)
    if not table.num_rows:
        raise NotBars("it has no bars")
    notes = [f"columns left out: {', '.join(choice.left_out)}"] if choice.left_out else []
    instants = _instants(table, choice, reading, faults, notes)
    columns = {"time": pa.array(instants, pa.int64()).cast(TIME_TYPE)}
    for name in PRICES:
        columns[name] = _prices(table.column(choice.columns[name]), name, faults)
    for name in OPTIONAL:
        if name in choice.columns:
            columns[name] = _amounts(table.column(choice.columns[name]), name, faults)
    if not faults.count:
        check_prices(columns, faults)
        for row in repeated(instants):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instants[row])
            faults.add(row, f"there is a bar of {moment:%Y-%m-%d %H:%M:%S} UTC before")
    bars = pa.table(columns)
    if any(later < earlier for earlier, later in pairwise(instants)):
        bars = bars.sort_by("time")
        notes.append("the rows are not in time order; they are put into it")
    return ReadBars(bars, notes)


def _instants(
    table: pa.Table, choice: ColumnChoice, reading: Reading, faults: RowFaults, notes: list[str]
) -> list[int]:
    column = table.column(choice.columns["time"])
    if choice.time_of_day is not None:
        joined = [_as_text(column), _as_text(table.column(choice.time_of_day)), " "]
        column = pc.binary_join_element_wise(*joined)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column, zone = _stamps(column, reading)
    elif pa.types.is_integer(column.type) and not _looks_like_dates(column):
        column, zone = pa.chunked_array([[epoch_us(each or 0) for each in column.to_pylist()]], pa.int64()), "UTC"
    else:
        reader = InstantReader(zone=reading.zone, dates=reading.dates, time_format=reading.time_format)
        found = reader.read(_as_text(column).to_pylist(), faults)
        if reader.assumed_utc:
            notes.append(_ASSUMED_UTC)
        return found
    if zone is None:
        notes.append(_ASSUMED_UTC)
    instants: list[int] = column.fill_null(LATEST_US).to_pylist()
    for row, instant in enumerate(instants):
        if not EARLIEST_US <= instant < LATEST_US:
            faults.add(row, "time: it is empty, or not between 1900 and 2100")
    if reading.dates:
        day = 86_400_000_000
        instants = [instant - instant % day for instant in instants]
    return instants


def _stamps(column: pa.ChunkedArray, reading: Reading) -> tuple[pa.ChunkedArray, str | None]:
    """Return microseconds since 1970 UTC, or of the local clock where dates are wanted; and the zone, None if none."""
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us")).cast(pa.int64()), "UTC"
    stamps = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if reading.dates:
        if column.type.tz is not None:
            zone = column.type.tz if reading.zone is None else str(reading.zone)
            stamps = pc.local_timestamp(stamps.cast(pa.timestamp("us", zone)))
        return stamps.cast(pa.int64()), "UTC"
    if column.type.tz is not None:
        return stamps.cast(pa.int64()), column.type.tz
    if reading.zone is None:
        return stamps.cast(pa.int64()), None
    placed = pc.assume_timezone(stamps, str(reading.zone), ambiguous="earliest", nonexistent="earliest")
    return placed.cast(pa.int64()), str(reading.zone)


def _looks_like_dates(column: pa.ChunkedArray) -> bool:
    """Tell whether whole numbers are dates such as 20250321."""
    smallest, largest = pc.min_max(column).as_py().values()
    return smallest is not None and smallest >= 19_000_101 and largest <= 21_000_101


def _prices(column: pa.ChunkedArray, name: str, faults: RowFaults) -> pa.ChunkedArray:
    numbers = _numbers(column, name, faults)
    finite = pc.fill_null(pc.is_finite(numbers), False)
    if not pc.all(finite).as_py():
        for row, good in enumerate(finite.to_pylist()):
            if not good and _is_number(column[row].as_py()):
                faults.add(row, f"{name}: it is empty, or no finite number")
    return numbers


def _amounts(column: pa.ChunkedArray, name: str, faults: RowFaults) -> pa.ChunkedArray:
    """Return volumes and the like; what is empty counts as 0."""
    numbers = pc.fill_null(_numbers(column, name, faults), 0.0)
    numbers = pc.if_else(pc.is_finite(numbers), numbers, 0.0)
    return pc.cast(pc.round(numbers), pa.int64()) if name == "count" else numbers


def _numbers(column: pa.ChunkedArray, name: str, faults: RowFaults) -> pa.ChunkedArray:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column.cast(pa.float64(), safe=False)
    trimmed = pc.utf8_trim_whitespace(column)
    trimmed = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        values = trimmed.to_pylist()
        for row, value in enumerate(values):
            if not _is_number(value):
                faults.add(row, f"{name}: {value!r} is no number")
        return pa.chunked_array([[float(each) if each and _is_number(each) else 0.0 for each in values]], pa.float64())


def _is_number(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        float(value)
    except ValueError:
        return not value.strip()
    return True


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string()) if column.type != pa.string() else column
