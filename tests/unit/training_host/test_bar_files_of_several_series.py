"""Files with bars of several symbols and timeframes, and what is made of them."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from services.common.errors import ServiceError, reason_name
from services.training_host.bars.aggregation import aggregate
from services.training_host.bars.local_file import load_local_file
from services.training_host.bars.series import COLUMNS
from services.training_host.strategy.strategy import Strategy
from tests.support.datasets import small_strategy

DAYS_AND_WEEKS = small_strategy(symbols=["AAPL", "MSFT"], timeframes=["1d", "1w"])
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


def table(symbols: list[str] | None, timeframes: list[str] | None, days: list[int], start: float = 1.0) -> pa.Table:
    """Return rows so many days after a Monday whose prices count up from `start`."""
    prices = np.arange(len(days)) + start
    columns: dict[str, Any] = {
        "time": pa.array([MONDAY + timedelta(days=day) for day in days], pa.timestamp("us", "UTC"))
    }
    columns |= {name: pa.array(prices) for name in COLUMNS}
    columns |= {"symbol": symbols} if symbols else {}
    columns |= {"timeframe": timeframes} if timeframes else {}
    return pa.table(columns)


def write(path: Path, table: pa.Table) -> Path:
    (pyarrow.parquet.write_table if path.suffix == ".parquet" else pyarrow.csv.write_csv)(table, path)
    return path


def refusal(path: Path, strategy: Strategy = DAYS_AND_WEEKS) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        load_local_file(path, strategy)
    return caught.value


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_each_symbol_gets_its_own_bars_and_longer_ones_are_made_of_them(tmp_path: Path, kind: str) -> None:
    symbols = ["MSFT", "AAPL", "IBM"] * 10
    path = write(tmp_path / f"bars.{kind}", table(symbols, None, [row // 3 for row in range(30)]))
    loaded = load_local_file(path, DAYS_AND_WEEKS)
    assert list(loaded.series) == [("AAPL", "1d"), ("AAPL", "1w"), ("MSFT", "1d"), ("MSFT", "1w")]
    assert loaded.series["MSFT", "1d"].close.tolist() == np.arange(1.0, 31, 3).tolist()
    assert loaded.series["AAPL", "1d"].close.tolist() == np.arange(2.0, 32, 3).tolist()
    for symbol in ("AAPL", "MSFT"):
        weeks = loaded.series[symbol, "1w"]
        assert weeks.fingerprint() == aggregate(loaded.series[symbol, "1d"], "1w").fingerprint()
        assert len(weeks) == 2
    assert [use.bars for use in loaded.datasets] == [20]  # weeks were not read
    assert loaded.count == 24
    assert loaded.fingerprint() not in {bars.fingerprint() for bars in loaded.series.values()}


def test_longer_bars_of_the_file_itself_come_before_made_ones(tmp_path: Path) -> None:
    symbols = ["AAPL", "MSFT"] * 7 + ["AAPL"]
    timeframes = ["1d"] * 14 + ["1w"]
    path = write(tmp_path / "bars.parquet", table(symbols, timeframes, [row // 2 for row in range(14)] + [4]))
    loaded = load_local_file(path, DAYS_AND_WEEKS)
    assert loaded.series["AAPL", "1w"].close.tolist() == [15.0]  # the file's
    assert loaded.series["MSFT", "1w"].close.tolist() == [14.0]  # made of its days
    assert loaded.series["AAPL", "1d"].close.tolist() == np.arange(1.0, 15, 2).tolist()


def test_without_the_column_symbol_a_file_has_one_symbol(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", table(None, None, [0, 1]))
    one = small_strategy(timeframes=["1d", "1w"])
    assert load_local_file(path, one).series["AAPL", "1w"].close.tolist() == [2.0]
    error = refusal(path)
    assert reason_name(error.reason) == "BAR_SOURCE_UNAVAILABLE"
    assert "the column symbol is missing, and the strategy has several symbols" in error.message


def test_symbols_made_of_figures_are_found(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("time,symbol,open,high,low,close,volume\n2001-01-02,700,1,1,1,1,1\n2001-01-02,939,2,2,2,2,2\n")
    assert load_local_file(path, small_strategy(symbols=["939"])).series["939", "1d"].close.tolist() == [2.0]


def test_names_may_be_stored_as_categories_but_once_only(tmp_path: Path) -> None:
    rows = table(["MSFT", "AAPL"] * 7, None, [row // 2 for row in range(14)])
    categories = rows.set_column(rows.column_names.index("symbol"), "Symbol", rows["symbol"].dictionary_encode())
    loaded = load_local_file(write(tmp_path / "bars.parquet", categories), DAYS_AND_WEEKS)
    assert loaded.series["MSFT", "1d"].close.tolist() == np.arange(1.0, 15, 2).tolist()
    twice = write(tmp_path / "twice.parquet", categories.append_column("symbol", rows["symbol"]))
    assert "the column symbol is there twice" in refusal(twice).message


def test_all_series_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    strategy = small_strategy(symbols=["AAPL", "IBM", "MSFT"], timeframes=["1d", "1w"])
    path = write(tmp_path / "bars.parquet", table(["MSFT", "MSFT"], ["1d", "1w"], [0, 1]))
    error = refusal(path, strategy)
    assert reason_name(error.reason) == "BARS_MISSING"
    assert "ktrdr data load AAPL IBM 1d --start 1970-01-01 --end 2013-03-01 && ktrdr data load AAPL IBM 1w" in str(
        error
    )
    assert "AAPL 1d" in error.message
    assert "IBM 1w" in error.message


def test_bars_that_do_not_fill_the_longer_ones_are_no_substitute(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", table(None, None, [4, 11, 18, 25, 32]))
    error = refusal(path, small_strategy(timeframes=["1w", "1month"]))
    assert "AAPL at 1month" in error.message


def test_damaged_bars_are_not_made_longer(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", table(None, None, [3, 1, 5]))
    error = refusal(path, small_strategy(timeframes=["1d", "1w"]))
    assert "AAPL 1d" in error.message
    assert "2001-01-02T00:00:00+00:00 does not follow the one before it" in error.message


def test_a_bar_that_went_on_when_the_file_was_written_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "bars.parquet", table(None, None, list(range(10))))
    wednesday_noon = (MONDAY + timedelta(days=9, hours=12)).timestamp()
    os.utime(path, (wednesday_noon, wednesday_noon))
    loaded = load_local_file(path, small_strategy(timeframes=["1d", "1w"]))
    assert loaded.last_time == MONDAY + timedelta(days=8)  # Wednesday, day 9, goes on
    assert loaded.series["AAPL", "1w"].close.tolist() == [7.0]
    os.utime(path, (0, 0))
    assert "none between 1970-01-01 and 2013-03-01 that was over when the file was written, on 1970-01-01" in str(
        refusal(path, small_strategy())
    )
