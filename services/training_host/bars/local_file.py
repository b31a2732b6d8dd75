"""Bars from a file on this machine."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.table import NotBars, bars_from_table, between
from services.training_host.failures import bar_source_unavailable, bars_missing
from services.training_host.strategy.strategy import Strategy


def load_local_file(path: Path, strategy: Strategy) -> LoadedBars:
    """Read a strategy's bars from a Parquet or CSV file.

    Args:
        path: Absolute path; its suffix says what it is (`.parquet`, `.csv`, `.csv.gz`). It has the columns time (or
            date), open, high, low, close, volume, and perhaps symbol. The file does not say how long its bars are.
        strategy: Says symbol, timeframe and range.

    Raises:
        ServiceError: BAR_SOURCE_UNAVAILABLE, if the file is not there, cannot be read, or does not hold bars.
            BARS_MISSING, if it has none of the symbol in the range.
    """
    if not path.is_file():
        raise bar_source_unavailable(str(path), "There is no such file on the training host's machine")
    try:
        fingerprint = _fingerprint(path)
        stored = bars_from_table(_table(path), symbol=strategy.symbol, timeframe=strategy.timeframe)
    except NotBars as error:
        raise bar_source_unavailable(str(path), f"Problem: {error}") from None
    except (OSError, pa.ArrowException):
        raise bar_source_unavailable(str(path), "It is not a readable Parquet or CSV file") from None
    data = strategy.training_data
    bars = between(stored, data.start_date, data.end_date)
    if not len(bars):
        has = f"has bars from {stored.time(0):%Y-%m-%d} to {stored.time(-1):%Y-%m-%d}" if len(stored) else "has none"
        detail = f"{path} {has}, none between {data.start_date} and {data.end_date}"
        raise bars_missing(strategy.symbol, data, detail)
    use = DatasetUse(fingerprint=fingerprint, name=str(path), bars=len(bars))
    return LoadedBars(bars, str(path), Source.SOURCE_UNSPECIFIED, use)


def _fingerprint(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    if path.name.endswith((".csv", ".csv.gz")):
        # The worker handles its signals itself; Arrow would put handlers of its own in their place.
        pa.enable_signal_handlers(False)
        return pyarrow.csv.read_csv(path)
    raise NotBars("the name should end in .parquet, .csv or .csv.gz")
