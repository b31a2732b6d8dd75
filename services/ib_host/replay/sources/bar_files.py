"""Reading one file of bars: Parquet or CSV, with a name such as AAPL_1min.parquet or with columns that say as much."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES
from services.ib_host.replay.recorded import RecordingError

SUFFIXES = (".parquet", ".csv")
DAY_SECONDS = 86_400

_NEEDED = ("time", "open", "high", "low", "close", "volume")
_SIZE = re.compile(r"(\d{1,3}) ?(s|secs?|mins?|h|hours?|d|days?)")
_SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": DAY_SECONDS}
_SIZES = {size.seconds for size in INTRADAY_BAR_SIZES.values()} | {DAY_SECONDS}


@dataclass(frozen=True, slots=True)
class BarRow:
    """One row of a file.

    Attributes:
        path: the file.
        symbol: of the instrument.
        seconds: length of the bar; 86400 is a session.
        time: aware start of the bar, UTC; of a session a midnight UTC stands for its date.
        open, high, low, close: prices.
        volume: shares.
    """

    path: Path
    symbol: str
    seconds: int
    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


def read_bar_file(path: Path) -> Sequence[BarRow]:
    """Read a file, in its own order.

    Times without a zone are UTC. The columns symbol and timeframe, where there are any, count instead of the name.

    Raises:
        RecordingError: the file can't be read or used; the message names it.
    """
    try:
        return [_row(path, values) for values in (_parquet(path) if path.suffix == ".parquet" else _csv(path))]
    except (OSError, pa.ArrowException, csv.Error, ValueError, TypeError) as error:
        message = f"{path} can't be used: {getattr(error, 'strerror', None) or error}"
        raise RecordingError(message) from error


def parse_size(text: str) -> int:
    """Return the seconds of a bar size such as 1min, "5 mins", 1h or 1d.

    Raises:
        ValueError: IB has no bars of this size.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    seconds = int(match[1]) * _SECONDS_OF[match[2][0]] if match else 0
    if seconds not in _SIZES:
        message = f"{text!r} is no bar size: use one such as 1min, 5mins, 1h or 1d"
        raise ValueError(message)
    return seconds


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names = _names(next(rows, []))
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    table = parquet.read_table(path)
    names = _names(table.column_names)
    for values in zip(*(_values(column) for column in table.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _names(header: Sequence[str]) -> Sequence[str]:
    names = [name.strip().lower() for name in header]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        message = f"it lacks the column {missing[0]!r}"
        raise ValueError(message)
    return names


def _values(column: Any) -> Sequence[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC"))
    values: Sequence[Any] = column.to_pylist()
    return values


def _row(path: Path, values: Mapping[str, Any]) -> BarRow:
    named, _, size = path.stem.rpartition("_")
    symbol = str(values.get("symbol", named)).upper()
    if not symbol:
        message = "it should be named like AAPL_1min, or have the columns symbol and timeframe"
        raise ValueError(message)
    row = BarRow(
        path=path,
        symbol=symbol,
        seconds=parse_size(str(values.get("timeframe", size))),
        time=_instant(values["time"]),
        open=float(values["open"]),
        high=float(values["high"]),
        low=float(values["low"]),
        close=float(values["close"]),
        volume=round(float(values["volume"])),
    )
    if not (0 < row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high < inf and row.volume >= 0):
        message = f"the bar of {row.time:%Y-%m-%d %H:%M} UTC has prices or a volume that can't be"
        raise ValueError(message)
    return row


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    message = f"{value!r} is no time"
    raise ValueError(message)
