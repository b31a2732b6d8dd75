"""Reading a store by URL while an IB host writes it: whole versions, years, columns, damage."""

import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr_client.bar_files import BarFiles, open_store
from ktrdr_client.errors import DataLoss, InvalidArgument, MissingLibrary, NotFound

from services.ib_host.store.bar_store import BarStore
from tests.support.stored_bars import bar_key, bars_from

FIRST = datetime(2011, 7, 1, tzinfo=UTC)
DAILY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
BARS = bars_from(FIRST, 700)
FOLDER = "replay/AAPL-265598/1d-trades-rth"


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    store = BarStore(tmp_path)
    store.merge(DAILY, BARS)
    return store


@pytest.fixture(params=["file", "memory", "path"])
def url(request: pytest.FixtureRequest, tmp_path: Path, store: BarStore) -> Iterator[str]:
    """The store's own files, or a copy of them in the memory of this process."""
    assert store.list_all().datasets
    if request.param != "memory":
        yield f"file://{tmp_path}/data/bars" if request.param == "file" else f"{tmp_path}/data/bars"
        return
    files = fsspec.filesystem("memory")
    files.put(f"{tmp_path}/data/bars/", "/research/bars", recursive=True)
    yield "memory://research/bars"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def test_datasets_are_told_as_the_host_tells_them(url: str, store: BarStore) -> None:
    (dataset,) = open_store(url).datasets()
    assert dataset == store.list_all().datasets[0]
    assert dataset.key.instrument.time_zone == "America/New_York"


def test_bars_are_those_that_are_stored(url: str) -> None:
    bars = open_store(url).bars("aapl", "1d")
    assert bars.table.equals(BARS)
    assert bars.is_replay
    assert bars.to_pandas().index[0] == FIRST


def test_a_range_and_columns_are_read_and_no_other_year(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(url)
    read: list[str] = []
    cat = type(store._files).cat

    def noted(files: Any, path: Any, *arguments: Any, **more: Any) -> Any:
        read.extend(Path(each).name for each in path)
        return cat(files, path, *arguments, **more)

    monkeypatch.setattr(type(store._files), "cat", noted)
    bars = store.bars("AAPL", "1d", start="2012-12-30", end="2013-01-02", columns=["volume", "close"])
    expected = BARS.slice((date(2012, 12, 30) - FIRST.date()).days, 4)
    assert bars.table.equals(expected.select(["time", "volume", "close"]))
    assert read == ["2012-v1.parquet", "2013-v1.parquet"]
    assert len(store.bars("AAPL", "1d", start="2020-01-01", columns=["close"])) == 0


def test_what_is_merged_meanwhile_is_seen_whole_or_not_at_all(store: BarStore, tmp_path: Path) -> None:
    """Two merges while the files are read: those of the manifest that was read are gone by then."""
    reader = open_store(f"file://{tmp_path}/data/bars")
    cat = reader._files.cat
    changed = [bars_from(FIRST, 700, close=float(value)) for value in (5, 6)]

    def cat_late(paths: list[str]) -> Any:
        while changed:
            store.merge(DAILY, changed.pop(0))
        return cat(paths)

    reader._files.cat = cat_late
    try:
        bars = reader.bars("AAPL", "1d")
    finally:
        del reader._files.cat
    assert set(bars.table.column("close").to_pylist()) == {6.0}
    assert (len(bars), bars.dataset.version) == (700, 3)


def test_a_load_that_goes_on_in_one_year_holds_up_nobody_who_reads_them_all(store: BarStore, tmp_path: Path) -> None:
    """Fourteen merges while the files are read, two at a time: the last year's file is gone each time."""
    reader = open_store(f"file://{tmp_path}/data/bars")
    cat, fetched = reader._files.cat, []
    end = FIRST + timedelta(days=700)
    closes = [float(value) for value in range(1, 15)]

    def cat_one_by_one(paths: list[str]) -> dict[str, bytes]:
        contents = {}
        for path in sorted(paths):
            if "/2013-" in path and closes:
                for _ in range(2):
                    store.merge(DAILY, bars_from(end, 1, close=closes.pop(0)))
            contents[path] = cat([path])[path]
            fetched.append(Path(path).name)
        return contents

    reader._files.cat = cat_one_by_one
    try:
        bars = reader.bars("AAPL", "1d")
    finally:
        del reader._files.cat
    assert (len(bars), bars.dataset.version) == (701, 15)
    assert bars.table.column("close").to_pylist()[-1] == 14.0
    assert fetched[-1] == "2013-v15.parquet"


def test_a_copy_that_lacks_a_file_is_told(store: BarStore, tmp_path: Path) -> None:
    next(store.folder(DAILY).glob("2012-*.parquet")).unlink()
    with pytest.raises(DataLoss, match="names files that are not there"):
        open_store(f"{tmp_path}/data/bars").bars("AAPL", "1d")


@pytest.mark.parametrize("left", [0, 100, -60])
def test_a_damaged_file_is_told_and_other_years_are_read(store: BarStore, tmp_path: Path, left: int) -> None:
    path = next(store.folder(DAILY).glob("2012-*.parquet"))
    path.write_bytes(path.read_bytes()[:left])
    reader = open_store(f"{tmp_path}/data/bars")
    with pytest.raises(DataLoss, match=r"2012-v1\.parquet is damaged"):
        reader.bars("AAPL", "1d")
    assert len(reader.bars("AAPL", "1d", end="2011-12-31")) == 184


def test_another_file_under_the_name_is_not_taken_for_it(store: BarStore, tmp_path: Path) -> None:
    old, other = (next(store.folder(DAILY).glob(f"{year}-*.parquet")) for year in (2012, 2013))
    shutil.copy(other, old)
    with pytest.raises(DataLoss, match="another file than its manifest names"):
        open_store(f"{tmp_path}/data/bars").bars("AAPL", "1d")


@pytest.mark.parametrize("content", ["{", "{}", '{"layout": 1, "parts": []}', '{"layout": 9}'])
def test_a_damaged_manifest_is_told_and_hides_no_other_dataset(store: BarStore, tmp_path: Path, content: str) -> None:
    hours = bar_key(bars_pb2.BAR_SIZE_1_HOUR)
    store.merge(hours, bars_from(FIRST, 3, step=timedelta(hours=1)))
    (store.folder(DAILY) / "manifest.json").write_text(content)
    reader = open_store(f"{tmp_path}/data/bars")
    assert [dataset.key.bar_size for dataset in reader.datasets()] == [bars_pb2.BAR_SIZE_1_HOUR]
    (damaged,) = reader.damaged()
    assert f"{FOLDER}/manifest.json" in str(damaged)
    assert len(reader.bars("AAPL", "1h")) == 3
    with pytest.raises(DataLoss, match=r"manifest\.json"):
        reader.bars("AAPL", "1d")


def test_a_manifest_names_no_file_elsewhere(store: BarStore, tmp_path: Path) -> None:
    path = store.folder(DAILY) / "manifest.json"
    content = json.loads(path.read_text())
    content["parts"][0]["file"] = "../../../secret.parquet"
    path.write_text(json.dumps(content))
    with pytest.raises(DataLoss, match="cannot be read as the manifest"):
        open_store(f"{tmp_path}/data/bars").bars("AAPL", "1d")


def test_what_is_not_there_or_not_clear_is_said(store: BarStore, tmp_path: Path) -> None:
    reader = open_store(f"{tmp_path}/data/bars")
    with pytest.raises(NotFound, match="no such bars of IBM"):
        reader.bars("IBM", "1d")
    with pytest.raises(InvalidArgument, match="there is no column 'price'"):
        reader.bars("AAPL", "1d", columns=["price"])
    store.merge(bar_key(bars_pb2.BAR_SIZE_1_DAY, bars_pb2.SOURCE_IB), bars_from(FIRST, 2))
    with pytest.raises(InvalidArgument, match="set it to ib or replay"):
        reader.bars("AAPL", "1d")
    assert len(reader.bars("AAPL", "1d", source="ib")) == 2


def test_a_future_is_found_by_its_local_symbol(store: BarStore, tmp_path: Path) -> None:
    key = bar_key(bars_pb2.BAR_SIZE_1_DAY)
    future = Instrument(symbol="ES", contract_id=9, security_type=bars_pb2.SECURITY_TYPE_FUTURE, local_symbol="ESH5")
    key.instrument.CopyFrom(future)
    store.merge(key, bars_from(FIRST, 4))
    wanted = Instrument(symbol="ESH5", security_type=bars_pb2.SECURITY_TYPE_FUTURE)
    assert len(open_store(f"{tmp_path}/data/bars").bars(wanted, "1d")) == 4


def test_an_empty_store_has_no_datasets(tmp_path: Path) -> None:
    assert not open_store(f"file://{tmp_path}/nothing").datasets()


def test_a_kind_of_url_that_nothing_reads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="no URL that fsspec can read"):
        open_store("nowhere://bars")
    with pytest.raises(MissingLibrary, match="s3fs"):
        open_store("s3://bucket/bars")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingLibrary, match="pip install fsspec"):
        open_store("file:///bars")


def test_the_reader_takes_a_file_system_of_its_own(store: BarStore, tmp_path: Path) -> None:
    assert store.list_all().datasets
    files = BarFiles(fsspec.filesystem("file"), f"{tmp_path}/data/bars", "a share")
    assert isinstance(files.bars("AAPL", "1d").table, pa.Table)
