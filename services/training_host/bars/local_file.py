"""Bars from a file on this machine."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import Source

from services.common.files import sha256_of
from services.training_host.bars.aggregation import aggregate, latest_of_each_period
from services.training_host.bars.closing import over_by
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.missing import MissingBars
from services.training_host.bars.periods import has_whole
from services.training_host.bars.series import Bars, faulty_bar
from services.training_host.bars.table import NotBars, bars_from_table, between, rows_by_value, with_plain_names
from services.training_host.failures import bar_file_unreadable, bars_missing, damaged_bars
from services.training_host.instants import utc
from services.training_host.strategy.strategy import Strategy

_SYMBOL, _TIMEFRAME = "symbol", "timeframe"


def load_local_file(path: Path, strategy: Strategy) -> LoadedBars:
    """Read a strategy's bars from a Parquet or CSV file.

    Args:
        path: Absolute path; its suffix says what it is (`.parquet`, `.csv`, `.csv.gz`). It has the columns time (or
            date), open, high, low, close, volume. A column symbol says whose bar a row is; a strategy with several
            symbols needs it. A column timeframe says how long its bar is; without it, all are of the base timeframe.
            Longer bars that the file lacks are made of those of the base timeframe. Bars that may not have been over
            when the file was written are left out.
        strategy: Says symbols, timeframes and range.

    Raises:
        ServiceError: BAR_SOURCE_UNAVAILABLE, if the file is not there, cannot be read, or does not hold bars.
            BARS_MISSING, if it lacks bars of some symbol or timeframe in the range.
    """
    if not path.is_file():
        raise bar_file_unreadable(path, "There is no such file")
    try:
        fingerprint = sha256_of(path)
        written_ns = path.stat().st_mtime_ns
        stored = _series(with_plain_names(_table(path)), strategy)
    except NotBars as error:
        raise bar_file_unreadable(path, f"Problem: {error}") from None
    except (OSError, pa.ArrowException):
        raise bar_file_unreadable(path, "It is not a readable Parquet or CSV file") from None
    data = strategy.training_data
    series, missing, used = {}, [], 0
    for key in ((symbol, timeframe) for symbol in strategy.symbols for timeframe in strategy.timeframes):
        whole = stored.get(key) or _aggregated(stored.get((key[0], strategy.base_timeframe)), key[1], str(path))
        bars = _usable(whole, strategy, written_ns)
        if bars:
            series[key] = bars
            used += len(bars) if key in stored else 0
        else:
            missing.append(MissingBars(*key, _instead(path, whole, strategy, written_ns)))
    if missing:
        raise bars_missing(missing, data)
    use = DatasetUse(fingerprint=fingerprint, name=str(path), bars=used)
    return LoadedBars(series, str(path), Source.SOURCE_UNSPECIFIED, [use])


def _series(table: pa.Table, strategy: Strategy) -> dict[tuple[str, str], Bars]:
    """Take the series of a strategy out of a file's table, as far as they are there."""
    if _SYMBOL not in table.column_names and len(strategy.symbols) > 1:
        raise NotBars("the column symbol is missing, and the strategy has several symbols")
    return {
        (symbol, timeframe): bars_from_table(rows, symbol=symbol, timeframe=timeframe)
        for symbol, of_symbol in rows_by_value(table, _SYMBOL, strategy.symbols).items()
        for timeframe, rows in rows_by_value(of_symbol, _TIMEFRAME, strategy.timeframes).items()
    }


def _aggregated(base: Bars | None, timeframe: str, path: str) -> Bars | None:
    """Make longer bars, of all that the file has: what is cut to the range afterwards holds whole periods."""
    if base is None or not has_whole(timeframe, base.timeframe):
        return None
    if fault := faulty_bar(base):
        raise damaged_bars(path, base.symbol, base.timeframe, fault)
    return aggregate(base, timeframe)


def _usable(whole: Bars | None, strategy: Strategy, written_ns: int) -> Bars | None:
    """Return the bars of the range that were over when the file was written."""
    if whole is None:
        return None
    data = strategy.training_data
    return over_by(latest_of_each_period(between(whole, data.start_date, data.end_date)), written_ns)


def _instead(path: Path, stored: Bars | None, strategy: Strategy, written_ns: int) -> str:
    """Say what a file has of a series that is missing."""
    if stored is None:
        return f"{path} has none"
    data = strategy.training_data
    return (
        f"{path} has bars from {stored.time(0):%Y-%m-%d} to {stored.time(-1):%Y-%m-%d}, none between {data.start_date} "
        f"and {data.end_date} that was over when the file was written, on {utc(written_ns):%Y-%m-%d}"
    )


def _table(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    if path.name.endswith((".csv", ".csv.gz")):
        # The worker handles its signals itself; Arrow would put handlers of its own in their place.
        pa.enable_signal_handlers(False)
        return pyarrow.csv.read_csv(path)
    raise NotBars("the name should end in .parquet, .csv or .csv.gz")
