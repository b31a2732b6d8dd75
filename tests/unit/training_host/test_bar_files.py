"""Bars from files: what is read, and what is refused."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.training_host.bars.local_file import load_local_file
from services.training_host.bars.series import COLUMNS, faulty_bar
from services.training_host.bars.table import bars_from_table
from services.training_host.strategy.check import load_strategy
from tests.support.recorded_bars import recorded_bars, write_recorded_bars
from tests.support.trainings import bars_of_closes, random_bars, reference_text

STRATEGY = load_strategy(reference_text())


def table(**changes: pa.Array) -> pa.Table:
    columns = {
        "time": pa.array(
            [datetime(2001, 1, 2, tzinfo=UTC), datetime(2001, 1, 3, tzinfo=UTC)], pa.timestamp("us", "UTC")
        ),
        **{name: pa.array([1.0, 2.0]) for name in COLUMNS},
    }
    return pa.table({name: column for name, column in (columns | changes).items() if column is not None})


def refusal(path: Path) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        load_local_file(path, STRATEGY)
    return caught.value


def test_recorded_bars_come_back_as_they_are(tmp_path: Path) -> None:
    loaded = load_local_file(write_recorded_bars("AAPL", tmp_path / "aapl.csv"), STRATEGY)
    recorded = recorded_bars("AAPL")
    bars = loaded.series["AAPL", "1d"]
    assert list(loaded.series) == [("AAPL", "1d")]
    assert len(bars) == loaded.count == len(recorded) == 3270
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(bars, name), [getattr(bar, name) for bar in recorded])
    assert loaded.first_time == datetime(2000, 3, 1, tzinfo=UTC)
    assert loaded.last_time == datetime(2013, 3, 1, tzinfo=UTC)  # the end date belongs to the range
    assert loaded.fingerprint() == bars.fingerprint()
    assert [(use.name, use.bars) for use in loaded.datasets] == [(str(tmp_path / "aapl.csv"), 3270)]


def test_parquet_and_csv_give_the_same_bars(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(table(), tmp_path / "bars.parquet")
    pyarrow.csv.write_csv(table(), tmp_path / "bars.csv")
    parquet, csv = (load_local_file(tmp_path / f"bars.{kind}", STRATEGY) for kind in ("parquet", "csv"))
    assert parquet.fingerprint() == csv.fingerprint()


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime(2001, 1, 2), datetime(2001, 1, 3)], pa.timestamp("s")),  # noqa: DTZ001 - naive on purpose
        pa.array([datetime(2001, 1, 2), datetime(2001, 1, 3)], pa.date32()),  # noqa: DTZ001
        pa.array(["2001-01-02", "2001-01-03"]),
        pa.array(
            [datetime(2001, 1, 2, tzinfo=UTC), datetime(2001, 1, 3, tzinfo=UTC)], pa.timestamp("ns", "America/New_York")
        ),
    ],
)
def test_times_are_utc_however_they_are_stored(times: pa.Array) -> None:
    bars = bars_from_table(table(time=times), symbol="X", timeframe="1d")
    assert [bars.time(0), bars.time(1)] == [datetime(2001, 1, 2, tzinfo=UTC), datetime(2001, 1, 3, tzinfo=UTC)]


def test_names_of_columns_may_differ_in_case_and_time_may_be_date(tmp_path: Path) -> None:
    renamed = table().rename_columns(["Date", "Open", "High", "Low", "Close", "Volume"])
    pyarrow.parquet.write_table(renamed, tmp_path / "bars.parquet")
    assert load_local_file(tmp_path / "bars.parquet", STRATEGY).count == 2


def test_of_several_symbols_one_is_taken(tmp_path: Path) -> None:
    both = table(symbol=pa.array(["MSFT", "AAPL"]))
    pyarrow.parquet.write_table(both, tmp_path / "bars.parquet")
    assert load_local_file(tmp_path / "bars.parquet", STRATEGY).series["AAPL", "1d"].close.tolist() == [2.0]


def test_a_file_that_is_not_there_or_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bars.parquet").write_text("no parquet")
    (tmp_path / "bars.xlsx").write_text("no")
    for name, text in (
        ("none.csv", "no such file"),
        ("bars.parquet", "not a readable"),
        ("bars.xlsx", "should end in"),
    ):
        error = refusal(tmp_path / name)
        assert error.reason == ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE
        assert text in error.message
        assert name in error.message


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"volume": None}, "volume are missing"),
        ({"close": pa.array(["a", "b"])}, "close has string instead of numbers"),
        ({"time": pa.array(["soon", "later"])}, "cannot be read"),
        ({"time": pa.array([datetime(2001, 1, 2, tzinfo=UTC), None], pa.timestamp("us", "UTC"))}, "times are missing"),
    ],
)
def test_a_table_without_bars_is_refused(tmp_path: Path, changes: dict[str, pa.Array], text: str) -> None:
    pyarrow.parquet.write_table(table(**changes), tmp_path / "bars.parquet")
    error = refusal(tmp_path / "bars.parquet")
    assert error.reason == ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE
    assert text in error.message


def test_no_bars_in_the_range_prints_the_load_command(tmp_path: Path) -> None:
    old = table(
        time=pa.array([datetime(1990, 1, 2, tzinfo=UTC), datetime(1990, 1, 3, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    )
    pyarrow.parquet.write_table(old, tmp_path / "bars.parquet")
    error = refusal(tmp_path / "bars.parquet")
    assert error.reason == ErrorReason.ERROR_REASON_BARS_MISSING
    assert "ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01" in error.message
    assert "has bars from 1990-01-02 to 1990-01-03" in error.message


def test_damaged_bars_are_named() -> None:
    assert faulty_bar(random_bars(20)) == ""
    assert "close of the bar of 1970-01-03T00:00:00+00:00 is nan" in faulty_bar(bars_of_closes(1, 1, np.nan)).replace(
        "open", "close"
    )
    assert "is 0.0" in faulty_bar(bars_of_closes(1, 0.0, 1))
    twice = bars_of_closes(1, 2, 3)
    twice.times[2] = twice.times[1]
    assert "1970-01-02T00:00:00+00:00 does not follow" in faulty_bar(twice)
    at_noon = replace(bars_of_closes(1), timeframe="1w", times=np.array([43_200 * 10**9]))
    assert "1970-01-01T12:00:00+00:00 is not midnight UTC" in faulty_bar(at_noon)


def test_the_fingerprint_changes_with_any_value() -> None:
    bars = random_bars(50)
    seen = {bars.fingerprint()}
    for name in ("times", *COLUMNS):
        changed = random_bars(50)
        getattr(changed, name)[17] += 1
        seen.add(changed.fingerprint())
    seen.add(bars.rows(0, 49).fingerprint())
    assert len(seen) == 8
    assert random_bars(50).fingerprint() == bars.fingerprint()
