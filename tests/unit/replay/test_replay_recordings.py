"""Recordings of one's own."""

import gzip
from datetime import date
from pathlib import Path

import pytest

from services.ib_host.replay.history import SourceHistory
from services.ib_host.replay.instruments import instruments
from services.ib_host.replay.recorded import RecordedDay, RecordingError, read_recording

TEXT = """Ticker,Date,Open,High,Low,Close,Volume,Adj Close
XYZ,2020-01-03,11.0,12.0,10.0,11.5,200,11.5
XYZ,2020-01-02,30.0,33.0,30.0,33.0,100,11.0
"""


@pytest.mark.parametrize("name", ["own.csv", "own.csv.gz"])
def test_a_file_of_ones_own_is_read_in_the_order_of_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()) if name.endswith(".gz") else TEXT.encode())
    recording = read_recording(path)
    assert recording == {
        "XYZ": (
            RecordedDay(date(2020, 1, 2), 30.0, 33.0, 30.0, 33.0, 100, 11.0),
            RecordedDay(date(2020, 1, 3), 11.0, 12.0, 10.0, 11.5, 200, 11.5),
        )
    }
    first = SourceHistory(recording).bars("XYZ")[0]
    assert first.high == pytest.approx(11.0)
    assert first.volume == 300


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (TEXT.replace("Volume", "Size").encode(), "lacks the column 'Volume'"),
        (TEXT.replace("33.0", "many").encode(), "a value that can't be used"),
        (TEXT.replace(",100,11.0", "").encode(), "a value that can't be used"),
        (TEXT.replace(",11.5\n", ",0\n").encode(), "a value that can't be used"),
        (TEXT.replace("2020-01-03", "2020-01-02").encode(), "XYZ has 2020-01-02 twice"),
        (TEXT.splitlines()[0].encode(), "holds no bars"),
        (b"\xff\xfe", "can't be read"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_its_name(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=complaint) as caught:
        read_recording(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_broken_archive_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(TEXT.encode())
    cut, damaged, plain = (tmp_path / f"{name}.csv.gz" for name in ("cut", "damaged", "plain"))
    cut.write_bytes(packed[:-9])
    damaged.write_bytes(packed[:20] + bytes(20) + packed[40:])
    plain.write_bytes(TEXT.encode())
    for path in (cut, damaged, plain, tmp_path / "none.csv", tmp_path):
        with pytest.raises(RecordingError, match="can't be read"):
            read_recording(path)


def test_a_stock_that_is_not_known_has_the_same_contract_id_each_time() -> None:
    once, again = instruments(["XYZ"])["XYZ"], instruments(["XYZ", "AAPL"])["XYZ"]
    assert once == again
    assert once.con_id > 0
