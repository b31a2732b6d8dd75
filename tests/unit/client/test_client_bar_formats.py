"""Bars in files and frames of other programs."""

import gzip
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1.bars_pb2 import BAR_SIZE_1_DAY, BAR_SIZE_1_MINUTE, SOURCE_REPLAY, Dataset, DatasetKey, Instrument
from ktrdr_client.bar_formats.frames import bars_of_frame
from ktrdr_client.bar_formats.reading import read_bars, read_csv
from ktrdr_client.bar_formats.tables import ReadBars, Reading
from ktrdr_client.bar_formats.writing import write_bars
from ktrdr_client.bars import Bars
from ktrdr_client.errors import InvalidArgument, MissingLibrary

NEW_YORK = ZoneInfo("America/New_York")
MINUTES, DAYS = Reading(dates=False), Reading(dates=True)


@pytest.fixture(autouse=True, scope="module")
def no_signal_handlers() -> Iterator[None]:
    """Arrow's CSV reader keeps a pipe for Ctrl-C when the main thread calls it; the client calls it in others."""
    pa.enable_signal_handlers(False)
    yield
    pa.enable_signal_handlers(True)


def read(text: str, reading: Reading = MINUTES) -> ReadBars:
    return read_csv("bars.csv", text.encode(), reading)


def times(text: str, reading: Reading = MINUTES) -> list[str]:
    found = read("time,open,high,low,close\n" + "".join(f"{each},1,2,1,2\n" for each in text.split("|")), reading)
    return [f"{each:%Y-%m-%dT%H:%M}" for each in found.table.column("time").to_pylist()]


def faults(text: str, reading: Reading = MINUTES) -> list[tuple[str, str]]:
    with pytest.raises(InvalidArgument) as caught:
        read(text, reading)
    return [(fault.field, fault.description) for fault in caught.value.fields]


@pytest.mark.parametrize(
    "titles",
    [
        "Date,Open,High,Low,Close,Adj Close,Volume",
        "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKER>,<VOL>",
        "timestamp,1. open,2. high,3. low,4. close,split,5. volume",
        "t,o,h,l,c,x,v",
    ],
)
def test_columns_are_known_by_their_usual_names(titles: str) -> None:
    found = read(f"{titles}\n2000-03-01,1,3,0.5,2,9,100\n", DAYS)
    (row,) = found.table.to_pylist()
    assert [row[name] for name in ("open", "high", "low", "close", "volume")] == [1.0, 3.0, 0.5, 2.0, 100.0]
    assert found.notes[0].startswith("columns left out: ")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_date_and_time_may_stand_apart_whatever_the_delimiter(delimiter: str) -> None:
    lines = ["DATE,TIME,OPEN,HIGH,LOW,CLOSE", "20000301,09:30:00,1,2,1,2", ""]
    found = read("\r\n".join(lines).replace(",", delimiter), Reading(dates=False, zone=NEW_YORK))
    assert found.table.column("time").to_pylist() == [datetime(2000, 3, 1, 14, 30, tzinfo=UTC)]
    assert not found.notes


def test_times_of_many_kinds() -> None:
    assert times("2000-03-01T14:30:00Z|2000-03-01 10:31-05:00") == ["2000-03-01T14:30", "2000-03-01T15:31"]
    assert times("951920520|951920580000") == ["2000-03-01T14:22", "2000-03-01T14:23"]
    assert times("20250321 09:30:00 US/Eastern") == ["2025-03-21T13:30"]
    assert times("21/03/2025 09:30", Reading(dates=False, time_format="%d/%m/%Y %H:%M")) == ["2025-03-21T09:30"]


def test_times_without_a_zone_are_utc_and_that_is_said() -> None:
    found = read("time,o,h,l,c\n2000-03-01 14:30,1,2,1,2\n")
    assert found.table.column("time").to_pylist() == [datetime(2000, 3, 1, 14, 30, tzinfo=UTC)]
    assert "taken as UTC" in found.notes[0]


def test_an_hour_that_comes_twice_is_told_apart_by_the_order_of_the_rows() -> None:
    local = "2024-11-03 01:00|2024-11-03 01:30|2024-11-03 01:00|2024-11-03 01:30|2024-11-03 02:00"
    assert times(local, Reading(dates=False, zone=NEW_YORK)) == [
        f"2024-11-03T{hour}" for hour in ("05:00", "05:30", "06:00", "06:30", "07:00")
    ]


def test_days_keep_the_date_that_is_written() -> None:
    assert times("2000-03-01|2000-03-02T00:00:00-05:00|20000303", DAYS) == [
        f"2000-03-0{day}T00:00" for day in (1, 2, 3)
    ]
    tokyo = Reading(dates=True, zone=ZoneInfo("Asia/Tokyo"))
    assert times("2000-02-29T15:00:00Z", tokyo) == ["2000-03-01T00:00"]


def test_rows_are_put_into_order_and_that_is_said() -> None:
    found = read("time,o,h,l,c\n2000-03-02,2,2,2,2\n2000-03-01,1,1,1,1\n", DAYS)
    assert found.table.column("open").to_pylist() == [1.0, 2.0]
    assert "not in time order" in found.notes[0]


def test_every_fault_is_told_with_its_line() -> None:
    text = "time,o,h,l,c\n2000-03-01T14:30Z,1,2,x,2\n\n\nsoon,1,,1,nan\n1850-01-01T00:00Z,1,2,1,2\n"
    told = faults(text)
    assert [place for place, _ in told] == ["line 2", *["line 5"] * 3, "line 6"]
    assert dict(told)["line 2"] == "low: 'x' is no number"
    assert "not between 1900 and 2100" in dict(told)["line 6"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("time,o,h,l,c\n2000-03-01,1,2,1,2\n\n2000-03-02,1,2\n", "line 4", "3 columns where the titles name 5"),
        ("time,o,h,l,c\n2000-03-01,1,2,1,2\n2000-03-01,1,2,1,2\n", "line 3", "there is a bar of 2000-03-01"),
        ("time,o,h,l,c\n03/01/2000,1,2,1,2\n", "line 2", "2000-03-01T14:30:00Z"),
    ],
)
def test_a_line_that_is_wrong_is_told(text: str, place: str, words: str) -> None:
    ((told, description),) = faults(text, DAYS)
    assert told == place
    assert words in description


def test_prices_that_cannot_be_are_told_with_their_line() -> None:
    rows = ["2024-01-02,1,2,0.5,1.5", "2024-01-03,1,0.9,0.5,1.5", "2024-01-04,1,2,1.2,1.5", "2024-01-05,1,1,2,1"]
    assert faults("\n".join(["time,open,high,low,close", *rows]), DAYS) == [
        ("line 3", "high 0.9 is below close 1.5"),
        ("line 3", "high 0.9 is below open 1"),
        ("line 4", "low 1.2 is above open 1"),
        ("line 5", "high 1 is below low 2"),
        ("line 5", "low 2 is above close 1"),
        ("line 5", "low 2 is above open 1"),
    ]
    noise = "time,open,high,low,close\n2024-01-02,0.3,0.30000000000000004,0.30000000000000004,0.30000000000000010\n"
    assert read(noise, DAYS).table.num_rows == 1


def test_an_hour_that_does_not_exist_is_told() -> None:
    zone = Reading(dates=False, zone=NEW_YORK)
    ((_, description),) = faults("time,o,h,l,c\n2024-03-10 02:30,1,2,1,2\n", zone)
    assert "does not exist in America/New_York" in description


def test_only_the_first_faults_are_told_and_all_are_counted() -> None:
    with pytest.raises(InvalidArgument, match=r"has 3,000 faults.*the first 10:") as caught:
        read("time,o,h,l,c\n" + "never,1,2,1,2\n" * 3000)
    assert caught.value.fields[-1].field == "line 11"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,c\n1,2,3\n", "no column is called time or open"),
        ("", "no text that names columns"),
        ("time,timestamp,o,h,l,c\n", "could both be the time"),
        ("time,o,o,h,l,c\n", "two columns have the same name"),
        ("\x1f\x8bnot compressed", "compressed, and damaged"),
    ],
)
def test_what_holds_no_bars_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        read_csv("bars.csv", text.encode("latin-1"), MINUTES)


def test_compressed_and_marked_files_are_read(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbftime,o,h,l,c\n2000-03-01,1,2,1,2\n"
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(content))
    assert read_bars(path, DAYS).table.num_rows == 1


FRAME = {"open": [1.0, 2.0], "high": [2.0, 3.0], "low": [1.0, 1.0], "close": [2.0, 2.5], "volume": [10, 20]}
STAMPS = [datetime(2000, 3, 1, 14, 30, tzinfo=UTC), datetime(2000, 3, 1, 14, 31, tzinfo=UTC)]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(FRAME, index=pd.DatetimeIndex(STAMPS).tz_convert("America/New_York")),
        pd.DataFrame({"Date": pd.DatetimeIndex(STAMPS), **FRAME}),
        pl.DataFrame({"timestamp": STAMPS, **FRAME}),
        pa.table({"t": pa.array(STAMPS, pa.timestamp("ns", "UTC")), **FRAME}),
        pa.table({"t": pa.array([951921000, 951921060]), **FRAME}),
        Bars(Dataset(), pa.table({"time": pa.array(STAMPS, pa.timestamp("us", "UTC")), **FRAME})),
    ],
)
def test_frames_of_other_libraries_are_taken(frame: Any) -> None:
    found = bars_of_frame(frame, MINUTES).table
    assert found.column("time").to_pylist() == STAMPS
    assert found.column("close").to_pylist() == [2.0, 2.5]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = Bars(Dataset(), pa.table({"time": pa.array(STAMPS, pa.timestamp("us", "UTC")), **FRAME}))
    assert len(bars.to_pandas()) == len(bars.to_polars()) == 2
    assert str(bars.to_polars().schema["time"]) == "Datetime(time_unit='us', time_zone='UTC')"
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingLibrary, match=f"pip install {library}"):
        getattr(bars, f"to_{library}")()


def test_a_frame_at_fault_is_told_by_row() -> None:
    frame = pl.DataFrame({"time": STAMPS, **FRAME, "low": [1.0, None]})
    with pytest.raises(InvalidArgument) as caught:
        bars_of_frame(frame, MINUTES)
    assert caught.value.fields[0].field == "row 2"
    with pytest.raises(TypeError, match="not from <class 'list'>"):
        bars_of_frame([1], MINUTES)


def test_local_stamps_of_a_parquet_file_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    naive = [each.replace(tzinfo=None) for each in STAMPS]
    pq.write_table(pa.table({"time": pa.array(naive, pa.timestamp("us")), **FRAME}), path)
    placed = read_bars(path, Reading(dates=False, zone=NEW_YORK)).table.column("time").to_pylist()
    assert placed == [each + timedelta(hours=5) for each in STAMPS]
    assert "taken as UTC" in read_bars(path, MINUTES).notes[0]


prices = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize("bar_size", [BAR_SIZE_1_MINUTE, BAR_SIZE_1_DAY])
@settings(max_examples=25, deadline=None)
@given(rows=st.dictionaries(st.integers(0, 20_000), st.tuples(*[prices] * 6), min_size=1, max_size=20))
def test_what_is_written_is_read_again_bit_for_bit(
    rows: dict[int, tuple[float, ...]], file_format: str, bar_size: Any
) -> None:
    step = timedelta(days=1) if bar_size == BAR_SIZE_1_DAY else timedelta(minutes=1)
    # A high that is the highest and a low that is the lowest: others are refused.
    rows = {at: (row[0], max(row[:4]), min(row[:4]), row[3], *row[4:]) for at, row in rows.items()}
    ordered = sorted(rows)
    stamps = pa.array([datetime(1990, 1, 1, tzinfo=UTC) + step * each for each in ordered], pa.timestamp("us", "UTC"))
    names = ("open", "high", "low", "close", "volume", "wap")
    values = {name: pa.array([rows[each][index] for each in ordered]) for index, name in enumerate(names)}
    table = pa.table({"time": stamps, **values, "count": pa.array(ordered, pa.int64())})
    key = DatasetKey(instrument=Instrument(symbol="AAPL"), source=SOURCE_REPLAY, bar_size=bar_size)
    sink, told = io.BytesIO(), list[int]()
    write_bars(table.to_batches(max_chunksize=7), sink, file_format, lambda: Dataset(key=key), told.append)
    reading = Reading(dates=bar_size == BAR_SIZE_1_DAY)
    if file_format == "csv":
        again = read_csv("x", sink.getvalue(), reading).table
    else:
        written = pq.read_table(io.BytesIO(sink.getvalue()))
        assert written.schema.metadata[b"ktrdr.source"] == b"REPLAY"
        again = bars_of_frame(written, reading).table
    assert again.equals(table)
    assert told[-1] == len(rows)
