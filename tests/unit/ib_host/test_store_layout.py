"""How the files of a dataset lie: by year or month, with the exchange's zone, and those of earlier releases."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA, digest
from services.ib_host.store.manifest import Manifest, Part, key_as_json
from tests.support.stored_bars import bar_key, bars_from, read_all

FIRST = datetime(2011, 12, 30, tzinfo=UTC)


def periods(store: BarStore, key: bars_pb2.DatasetKey) -> list[str]:
    return sorted(path.name.rsplit("-v", 1)[0] for path in store.folder(key).glob("*.parquet"))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (bars_pb2.BAR_SIZE_1_SECOND, ["2011-12", "2012-01"]),
        (bars_pb2.BAR_SIZE_30_SECONDS, ["2011-12", "2012-01"]),
        (bars_pb2.BAR_SIZE_1_MINUTE, ["2011", "2012"]),
        (bars_pb2.BAR_SIZE_1_DAY, ["2011", "2012"]),
        (bars_pb2.BAR_SIZE_1_WEEK, ["2011", "2012"]),
    ],
)
def test_bars_lie_by_year_and_seconds_by_month(
    tmp_path: Path, size: bars_pb2.BarSize.ValueType, expected: list[str]
) -> None:
    store, key = BarStore(tmp_path), bar_key(size)
    length = BAR_LENGTHS[size].length
    bars = bars_from(datetime(2012, 1, 1, tzinfo=UTC) - 3 * length, 6, step=length)
    store.merge(key, bars)
    assert periods(store, key) == expected
    assert read_all(store, key).equals(bars)


def test_a_file_by_itself_tells_what_it_has_and_the_zone_of_the_exchange(tmp_path: Path) -> None:
    store, key = BarStore(tmp_path), bar_key(bars_pb2.BAR_SIZE_1_DAY)
    store.merge(key, bars_from(FIRST, 3))
    file = next(store.folder(key).glob("2011-*.parquet"))
    metadata = pq.read_metadata(file)
    assert metadata.metadata[b"ktrdr.time_zone"] == b"America/New_York"
    assert json.loads(metadata.metadata[b"ktrdr.dataset"]) == key_as_json(key)
    assert {metadata.row_group(0).column(n).compression for n in range(8)} == {"ZSTD"}
    assert json.loads((store.folder(key) / "manifest.json").read_text())["time_zone"] == "America/New_York"
    assert pq.read_table(file).schema.equals(SCHEMA)


def whole_file(store: BarStore, key: bars_pb2.DatasetKey, bars: pa.Table) -> Path:
    """Store bars the way that releases before 0.7 stored dated ones: in one file."""
    folder = store.folder(key)
    folder.mkdir(parents=True)
    pq.write_table(bars, folder / "all-v3.parquet", compression="zstd", write_page_checksum=True)
    times = bars.column("time").to_pylist()
    part = Part(
        period="all",
        file="all-v3.parquet",
        rows=bars.num_rows,
        first=times[0],
        last=times[-1],
        sha256=digest(bars),
        size_bytes=1,
    )
    Manifest(version=3, key=key_as_json(key), parts=(part,), update_time=FIRST).save(folder)
    return folder / "all-v3.parquet"


def test_one_file_of_an_earlier_release_is_read_and_becomes_years_with_the_next_merge(tmp_path: Path) -> None:
    store, key = BarStore(tmp_path), bar_key(bars_pb2.BAR_SIZE_1_DAY)
    bars = bars_from(FIRST, 400)
    old = whole_file(store, key, bars)
    assert read_all(store, key).equals(bars)
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        outcome = store.merge(key, bars_from(FIRST + timedelta(days=399), 2))
        assert pa.concat_tables(snapshot.tables()).equals(bars)
    assert (outcome.new_rows, outcome.dataset.rows, outcome.dataset.version) == (1, 401, 4)
    assert periods(store, key) == ["2011", "2012", "2013", "all"]  # the last one for readers that are about to open it
    store.merge(key, bars_from(FIRST + timedelta(days=401), 1))
    assert not old.exists()
    assert read_all(store, key).equals(bars_from(FIRST, 402))


def test_replacing_leaves_nothing_of_one_file_of_an_earlier_release(tmp_path: Path) -> None:
    store, key = BarStore(tmp_path), bar_key(bars_pb2.BAR_SIZE_1_DAY)
    whole_file(store, key, bars_from(FIRST, 10))
    outcome = store.replace(key, bars_from(FIRST + timedelta(days=5), 10))
    assert (outcome.new_rows, outcome.dataset.rows) == (5, 10)
    assert read_all(store, key).equals(bars_from(FIRST + timedelta(days=5), 10))


def test_of_a_range_only_the_groups_of_rows_are_read_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ib_host.store.parts.ROW_GROUP_ROWS", 100)
    store, key = BarStore(tmp_path), bar_key(bars_pb2.BAR_SIZE_1_MINUTE)
    start = datetime(2012, 3, 1, tzinfo=UTC)
    bars = bars_from(start, 1_000, step=timedelta(minutes=1))
    store.merge(key, bars)
    seen: list[int] = []
    read = pq.ParquetFile.read_row_group

    def noted(file: pq.ParquetFile, number: int, **more: object) -> pa.Table:
        seen.append(number)
        return read(file, number, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        low, high = start + timedelta(minutes=250), start + timedelta(minutes=400)
        tables = list(snapshot.tables(low, high, columns=("close", "volume")))
    assert seen == [2, 3]
    assert pa.concat_tables(tables).equals(bars.slice(250, 150).select(["close", "volume"]))


def test_only_the_folders_of_a_symbol_are_looked_at(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    future = bars_pb2.Instrument(
        symbol="ES", contract_id=9, security_type=bars_pb2.SECURITY_TYPE_FUTURE, local_symbol="ESH5"
    )
    for instrument in (bars_pb2.Instrument(symbol="A[B", contract_id=1), future):
        key = bar_key(bars_pb2.BAR_SIZE_1_DAY)
        key.instrument.CopyFrom(instrument)
        store.merge(key, bars_from(FIRST, 1))

    def found(symbol: str) -> list[int]:
        listing = store.find(bars_pb2.Instrument(symbol=symbol))
        return [dataset.key.instrument.contract_id for dataset in listing.datasets]

    assert found("a[b") == [1]
    assert found("ES") == [9]
    assert found("ESH5") == [1, 9]  # no folder has this name: all are looked at


def test_a_snapshot_is_read_as_often_as_one_likes_and_by_several_at_once(tmp_path: Path) -> None:
    store, key = BarStore(tmp_path), bar_key(bars_pb2.BAR_SIZE_1_DAY)
    bars = bars_from(FIRST, 900)
    store.merge(key, bars)
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        pairs = list(zip(snapshot.tables(), snapshot.tables(), strict=True))
        again = pa.concat_tables(snapshot.tables())
    assert again.equals(bars)
    assert pa.concat_tables([one for one, _ in pairs]).equals(pa.concat_tables([two for _, two in pairs]))
