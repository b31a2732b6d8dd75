"""Damaged files: the error says how to get their bars again, and that way is open."""

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.commands import recovery
from tests.support.stored_bars import bar_key, bars_from, read_all

FIRST = datetime(2011, 7, 1, tzinfo=UTC)
DAILY = bar_key(bars_pb2.BAR_SIZE_1_DAY)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    """Three years of daily bars: 2011, 2012, 2013."""
    store = BarStore(tmp_path)
    store.merge(DAILY, bars_from(FIRST, 700))
    return store


def damage(store: BarStore, pattern: str) -> Path:
    path = next(store.folder(DAILY).glob(pattern))
    path.write_bytes(path.read_bytes()[:100])
    return path


def test_the_error_names_the_file_and_the_command_that_gets_its_bars_again(store: BarStore) -> None:
    damage(store, "2012-*.parquet")
    for work in (lambda: read_all(store, DAILY), lambda: store.merge(DAILY, bars_from(FIRST, 700, close=7.0))):
        with pytest.raises(ServiceError) as error:
            work()
        assert error.value.reason == ErrorReason.ERROR_REASON_STORE_CORRUPT
        assert "data/bars/replay/AAPL-265598/1d-trades-rth/2012-v1.parquet" in error.value.message
        assert "ktrdr data load AAPL 1d --start 2012-01-01 --end 2012-12-31 --reload" in error.value.message


@pytest.mark.parametrize("gone", ["manifest.json", "2012-*.parquet"])
def test_without_a_manifest_or_a_file_the_error_has_the_command_for_all_bars(store: BarStore, gone: str) -> None:
    path = next(store.folder(DAILY).glob(gone))
    path.write_text("{") if gone == "manifest.json" else path.unlink()
    with pytest.raises(ServiceError) as error:
        store.open(DAILY)
    assert "Get its bars again with: ktrdr data load AAPL 1d --mode full --reload." in error.value.message


def test_a_damaged_year_is_set_aside_and_can_be_stored_again(store: BarStore) -> None:
    path = damage(store, "2012-*.parquet")
    (lost,) = store.set_aside_damaged(DAILY)
    assert lost.file == "data/bars/replay/AAPL-265598/1d-trades-rth/2012-v1.parquet"
    assert (lost.start, lost.end) == (datetime(2011, 12, 31, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))
    assert path.with_name("2012-v1.parquet.damaged").exists()
    assert read_all(store, DAILY).num_rows == 700 - 366
    outcome = store.merge(DAILY, bars_from(lost.start, 367))
    assert (outcome.new_rows, outcome.dataset.version) == (366, 3)
    assert read_all(store, DAILY).equals(bars_from(FIRST, 700))


def test_the_first_and_the_last_year_stand_for_all_time_beyond_them(store: BarStore) -> None:
    damage(store, "2011-*.parquet")
    next(store.folder(DAILY).glob("2013-*.parquet")).unlink()
    first, last = store.set_aside_damaged(DAILY)
    assert (first.start.year, first.end) == (1, datetime(2012, 1, 1, tzinfo=UTC))
    assert (last.start, last.end.year) == (datetime(2012, 12, 31, tzinfo=UTC), 9999)


@pytest.mark.parametrize("pattern", ["manifest.json", "*.parquet"])
def test_where_nothing_sound_is_left_the_dataset_begins_anew(store: BarStore, pattern: str) -> None:
    for path in list(store.folder(DAILY).glob(pattern)):
        path.write_bytes(b"rubbish")
    lost = store.set_aside_damaged(DAILY)
    assert (lost[0].start.year, lost[-1].end.year) == (1, 9999)
    assert store.open(DAILY) is None
    assert store.merge(DAILY, bars_from(FIRST, 3)).dataset.rows == 3


@pytest.mark.parametrize("pattern", ["manifest.json", "2012-*.parquet"])
def test_bars_that_take_the_place_of_all_others_need_none_of_the_damaged_ones(store: BarStore, pattern: str) -> None:
    path = damage(store, pattern)
    bars = bars_from(FIRST, 650, close=3.0)
    assert store.replace(DAILY, bars).dataset.rows == 650
    assert read_all(store, DAILY).equals(bars)
    assert path.with_name(f"{path.name}.damaged").exists()


def test_a_disk_that_takes_no_more_leaves_the_version_as_it_was(store: BarStore) -> None:
    before = store.list_all().datasets[0]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
    try:
        with pytest.raises(ServiceError) as error:
            store.merge(DAILY, bars_from(FIRST, 900, close=4.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.reason == ErrorReason.ERROR_REASON_STORAGE_FULL
    assert store.list_all().datasets[0] == before
    assert read_all(store, DAILY).equals(bars_from(FIRST, 700))
    assert not list(store.folder(DAILY).glob(".*.new"))
    assert store.merge(DAILY, bars_from(FIRST, 900, close=4.0)).dataset.rows == 900


def test_a_sound_dataset_loses_nothing_and_one_that_is_not_there_neither(store: BarStore) -> None:
    version = store.list_all().datasets[0].version
    assert not store.set_aside_damaged(DAILY)
    assert store.list_all().datasets[0].version == version
    assert not store.set_aside_damaged(bar_key(bars_pb2.BAR_SIZE_1_HOUR))


def test_the_command_fits_the_kind_of_the_bars() -> None:
    def told(key: bars_pb2.DatasetKey) -> str:
        return recovery(key, (FIRST, FIRST + timedelta(days=1)))

    pair = bars_pb2.Instrument(symbol="EUR", currency="USD", security_type=bars_pb2.SECURITY_TYPE_FOREX)
    minutes = bars_pb2.DatasetKey(
        instrument=pair,
        bar_size=bars_pb2.BAR_SIZE_1_MINUTE,
        what_to_show=bars_pb2.WHAT_TO_SHOW_MIDPOINT,
        use_rth=False,
    )
    assert "ktrdr data load EUR.USD 1min --start 2011-07-01 --end 2011-07-02 --no-rth --reload" in told(minutes)
    future = bars_pb2.Instrument(symbol="ES", local_symbol="ESH5", security_type=bars_pb2.SECURITY_TYPE_FUTURE)
    hours = bars_pb2.DatasetKey(
        instrument=future, bar_size=bars_pb2.BAR_SIZE_1_HOUR, what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST
    )
    assert told(hours).endswith("--end 2011-07-02 --type future --local-symbol ESH5 --what ADJUSTED_LAST --reload.")
    assert "ktrdr data import" in told(bar_key(bars_pb2.BAR_SIZE_1_DAY, bars_pb2.SOURCE_IMPORTED))
