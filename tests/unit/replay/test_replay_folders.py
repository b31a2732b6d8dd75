"""Folders of bars: read, completed to longer sizes, and refused with the file's name."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from services.ib_host.replay.bars import Bar, BarSize, IntradaySize
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.bar_files import parse_size
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.grid import on_grid

HEAD = "time,open,high,low,close,volume\n"
MINUTES = HEAD + "".join(
    f"2024-03-11T{13 + (30 + n) // 60}:{(30 + n) % 60:02}:00,{10 + n},{11 + n},{9 + n},{10.5 + n},{100 + n}\n"
    for n in range(90)
)
DAYS = HEAD + "2024-03-08,9,10,8,9.5,5000\n2024-03-11,10,120,9,99.5,6000\n"
HOUR = IntradaySize(3600)


def folder(path: Path, **files: str) -> str:
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (path / f"{stem}.{suffix}").write_text(text)
    return str(path)


def write_parquet(path: Path, symbols: list[str], sizes: list[str], times: list[datetime]) -> None:
    price = [10.0] * len(times)
    columns = {"symbol": symbols, "timeframe": sizes, "time": pa.array(times, pa.timestamp("ns", tz="UTC"))}
    prices = {"Open": price, "High": price, "Low": price, "Close": price, "Volume": [7] * len(times)}
    parquet.write_table(pa.table(columns | prices), path)


def test_bars_are_served_as_they_are_and_longer_ones_are_made_of_them(tmp_path: Path) -> None:
    history = open_history(folder(tmp_path, XYZ_1min_csv=MINUTES))
    minutes, hours, [day] = history.bars("XYZ", IntradaySize(60)), history.bars("XYZ", HOUR), history.bars("XYZ")
    first = datetime(2024, 3, 11, 13, 30, tzinfo=UTC)
    assert [bar.start for bar in minutes] == [first + timedelta(minutes=n) for n in range(90)]
    assert minutes[0] == Bar(date(2024, 3, 11), 10, 11, 9, 10.5, 100, 10.125, 1, start=first)
    assert [bar.start for bar in hours] == [first, first + timedelta(minutes=30)]
    assert (day.session, day.open, day.high, day.low, day.close) == (date(2024, 3, 11), 10, 100, 9, 99.5)
    assert day.volume == sum(bar.volume for bar in minutes)
    assert history.end == datetime(2024, 3, 12, 4, tzinfo=UTC)


def test_a_size_that_has_a_file_of_its_own_comes_from_it(tmp_path: Path) -> None:
    history = open_history(folder(tmp_path, XYZ_1min_csv=MINUTES, XYZ_1d_csv=DAYS))
    assert [(bar.session, bar.volume) for bar in history.bars("XYZ")] == [
        (date(2024, 3, 8), 5000),
        (date(2024, 3, 11), 6000),
    ]
    assert len(history.bars("XYZ", HOUR)) == 2
    assert history.bars("XYZ", BarSize.MONTH)[0].volume == 11_000


def test_sizes_that_nothing_makes_up_are_refused(tmp_path: Path) -> None:
    history = open_history(folder(tmp_path, XYZ_2mins_csv=HEAD + "2024-03-11 13:30:00,1,1,1,1,1\n"))
    assert "use a longer size" in history.refusal("XYZ", IntradaySize(60))
    assert "use a longer size" in history.refusal("XYZ", IntradaySize(180))
    assert not history.refusal("XYZ", IntradaySize(1800))
    with pytest.raises(ValueError, match="no bars"):
        history.bars("XYZ", IntradaySize(60))
    with pytest.raises(KeyError):
        history.bars("NONE")


def test_columns_may_name_symbol_and_size(tmp_path: Path) -> None:
    monday = datetime(2024, 3, 11, 14, tzinfo=UTC)
    write_parquet(tmp_path / "all.parquet", ["AAPL", "B", "B"], ["1h", "1 day", "5 mins"], [monday, monday, monday])
    history = open_history(str(tmp_path))
    assert history.symbols == ("AAPL", "B")
    assert [bar.start for bar in history.bars("AAPL", HOUR)] == [monday]
    assert history.bars("B")[0] == Bar(date(2024, 3, 11), 10, 10, 10, 10, 7, 10, 1)
    assert [bar.start for bar in history.bars("B", IntradaySize(300))] == [monday]


def test_instruments_are_made_up_or_described(tmp_path: Path) -> None:
    text = """
    [EUR]
    name = "European Monetary Union Euro"
    security_type = "CASH"
    time_zone = "UTC"
    regular = "00:00-24:00"
    """
    euro = HEAD + "2024-03-10T23:59:00Z,1.1,1.1,1.1,1.1,0\n"
    history = open_history(folder(tmp_path, XYZ_1min_csv=MINUTES, EUR_1min_csv=euro, instruments_toml=text))
    stock, currency = history.instruments["XYZ"], history.instruments["EUR"]
    assert (stock.security_type, stock.currency, stock.exchanges) == ("STK", "USD", ("SMART", "NASDAQ"))
    assert (currency.security_type, currency.exchanges) == ("CASH", ("IDEALPRO",))
    assert currency.hours.zone_on_the_wire == "UTC"
    assert history.bars("EUR")[0].session == date(2024, 3, 10)


BAD_FILES = [
    ({}, "", "holds no bars"),
    ({"XYZ_1min_csv": HEAD}, "", "holds no bars"),
    ({"XYZ_csv": DAYS}, "XYZ.csv", "should be named like AAPL_1min"),
    ({"XYZ_fast_csv": DAYS}, "XYZ_fast.csv", "'fast' is no bar size"),
    ({"XYZ_7mins_csv": DAYS}, "XYZ_7mins.csv", "'7mins' is no bar size"),
    ({"XYZ_1d_csv": DAYS.replace("volume", "size")}, "XYZ_1d.csv", "lacks the column 'volume'"),
    ({"XYZ_1d_csv": DAYS.replace("9.5,5000", "11,5000")}, "XYZ_1d.csv", "2024-03-08 00:00 UTC has prices"),
    ({"XYZ_1d_csv": DAYS.replace("6000", "-1")}, "XYZ_1d.csv", "2024-03-11 00:00 UTC has prices"),
    ({"XYZ_1d_csv": DAYS.replace("2024-03-11", "soon")}, "XYZ_1d.csv", "Invalid isoformat"),
    ({"XYZ_1d_csv": DAYS.replace("2024-03-11", "2024-03-08")}, "XYZ_1d.csv", "2024-03-08 00:00 UTC is there twice"),
    ({"XYZ_1d_csv": DAYS, "XYZ_1day_csv": DAYS}, "XYZ_1day.csv", "XYZ_1d.csv, too"),
    ({"XYZ_1min_csv": MINUTES.replace("T13:30", "T03:30")}, "XYZ_1min.csv", "tell them in instruments.toml"),
    ({"XYZ_1d_csv": DAYS.replace(",6000", "")}, "XYZ_1d.csv", "can't be used"),
    ({"XYZ_1d_parquet": "not Parquet"}, "XYZ_1d.parquet", "can't be used"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "[ABC]"}, "instruments.toml", "ABC should be a table [ABC]"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "[XYZ"}, "instruments.toml", "can't be used"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "XYZ = 1"}, "instruments.toml", "XYZ should be a table"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "[XYZ]\ntick = '1'"}, "instruments.toml", "[XYZ] tick should be"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "[XYZ]\nsecurity_type = 'OPT'"}, "instruments.toml", "security_type"),
    ({"XYZ_1d_csv": DAYS, "instruments_toml": "[XYZ]\ntime_zone = 'Mars'"}, "instruments.toml", "[XYZ] time_zone"),
    (
        {"XYZ_1d_csv": DAYS, "instruments_toml": "[XYZ]\nextended = '10:00-11:00'"},
        "instruments.toml",
        "hold the regular",
    ),
]


@pytest.mark.parametrize(("files", "name", "complaint"), BAD_FILES)
def test_what_can_not_be_used_is_refused_with_the_file_named(
    tmp_path: Path, files: dict[str, str], name: str, complaint: str
) -> None:
    with pytest.raises(RecordingError) as refused:
        open_history(folder(tmp_path, **files))
    assert str(refused.value).startswith(str(tmp_path / name))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1min", 60), ("5 mins", 300), ("1h", 3600), ("1 hour", 3600), ("30secs", 30), ("1d", 86400)]
)
def test_sizes_have_several_spellings(text: str, seconds: int) -> None:
    assert parse_size(text) == seconds


def test_the_first_bar_begins_with_the_session() -> None:
    midnight = datetime(2024, 3, 11, tzinfo=UTC)
    bars = [Bar(midnight.date(), 1, 1, 1, 1, 1, 1, 1, midnight + timedelta(minutes=n)) for n in (575, 599, 600)]
    opening = midnight + timedelta(minutes=570)
    made = on_grid(bars, 3600, midnight=midnight, opening=opening)
    assert [(bar.start, bar.volume) for bar in made] == [(opening, 2), (midnight + timedelta(hours=10), 1)]
