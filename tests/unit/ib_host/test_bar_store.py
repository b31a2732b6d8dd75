"""Bars on disk: nothing is lost, nothing is seen half-done, damage is told."""

import os
import shutil
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.common.files import FolderLock
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import between, digest, instant, merge, microseconds, table_of, times_of
from services.ib_host.store.commands import load_command
from services.ib_host.store.identity import folder_of, title_of
from services.ib_host.store.selection import choose
from tests.support.eventually import eventually_sync

NOW = datetime(2026, 1, 15, tzinfo=UTC)
FIRST_DAY = date(2012, 1, 2)


@dataclass
class Bar:
    date: date
    close: float = 10.0
    open: float = 9.0
    high: float = 11.0
    low: float = 8.0
    volume: float = 100.0
    average: float = 10.0
    barCount: int = 7  # noqa: N815 - as the gateway's library has it


def daily_key(**changes: object) -> bars_pb2.DatasetKey:
    instrument = bars_pb2.Instrument(
        symbol="AAPL", contract_id=265598, security_type=bars_pb2.SECURITY_TYPE_STOCK, exchange="SMART", currency="USD"
    )
    key = bars_pb2.DatasetKey(
        source=bars_pb2.SOURCE_REPLAY,
        instrument=instrument,
        what_to_show=bars_pb2.WHAT_TO_SHOW_TRADES,
        use_rth=True,
        bar_size=bars_pb2.BAR_SIZE_1_DAY,
    )
    key.MergeFrom(bars_pb2.DatasetKey(**changes))  # type: ignore[arg-type]  # keyword arguments by name
    return key


def days(first: int, last: int, close: float = 10.0) -> pa.Table:
    return table_of([Bar(FIRST_DAY + timedelta(days=n), close=close) for n in range(first, last)])


def stored(store: BarStore, key: bars_pb2.DatasetKey) -> pa.Table:
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        return pa.concat_tables(snapshot.tables())


def midnight(n: int) -> datetime:
    return datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + timedelta(days=n)


def reason_of(error: pytest.ExceptionInfo[ServiceError]) -> str:
    return ErrorReason.Name(error.value.reason).removeprefix("ERROR_REASON_")


def test_a_merge_is_read_back(tmp_path: Path) -> None:
    outcome = BarStore(tmp_path).merge(daily_key(), days(0, 5))
    assert (outcome.new_rows, outcome.dataset.rows, outcome.dataset.version) == (5, 5, 1)
    assert outcome.dataset.first_bar_time.ToDatetime(UTC) == midnight(0)
    assert outcome.dataset.last_bar_time.ToDatetime(UTC) == midnight(4)
    assert stored(BarStore(tmp_path), daily_key()).equals(days(0, 5))
    assert (tmp_path / "data/bars/replay/AAPL-265598/1d-trades-rth/manifest.json").exists()


def test_a_narrower_merge_never_shrinks_what_is_stored(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 100))
    outcome = store.merge(daily_key(), days(40, 45))
    assert (outcome.new_rows, outcome.dataset.rows) == (0, 100)


def test_bars_that_changed_are_replaced_and_change_the_fingerprint(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    before = store.merge(daily_key(), days(0, 10)).dataset
    after = store.merge(daily_key(), days(3, 4, close=99.0)).dataset
    assert (after.rows, after.version) == (10, 2)
    assert after.fingerprint != before.fingerprint
    assert stored(store, daily_key()).column("close").to_pylist() == [10.0] * 3 + [99.0] + [10.0] * 6


def test_the_same_bars_make_no_new_version(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    before = store.merge(daily_key(), days(0, 10)).dataset
    assert store.merge(daily_key(), days(2, 7)).dataset == before


def test_replaced_bars_are_all_that_is_left_in_one_step(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    key = daily_key(what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST)
    store.replace(key, days(0, 800))
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        outcome = store.replace(key, days(400, 900, close=20.0))
        assert pa.concat_tables(snapshot.tables()).equals(days(0, 800))
    assert (outcome.new_rows, outcome.dataset.rows, outcome.dataset.version) == (100, 500, 2)
    assert stored(store, key).equals(days(400, 900, close=20.0))
    assert store.replace(key, days(400, 900, close=20.0)).dataset == outcome.dataset


def test_the_folder_of_a_dataset_is_known_before_there_is_one(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    assert not store.folder(daily_key()).exists()
    store.merge(daily_key(), days(0, 1))
    assert (store.folder(daily_key()) / "manifest.json").exists()


@pytest.mark.parametrize(
    ("instrument", "name"),
    [
        (bars_pb2.Instrument(symbol="AAPL", currency="USD"), "AAPL-0"),
        (bars_pb2.Instrument(symbol="AAPL", currency="EUR"), "AAPL-0-stock-EUR"),
        (
            bars_pb2.Instrument(symbol="ES", security_type=bars_pb2.SECURITY_TYPE_FUTURE, local_symbol="ESH5"),
            "ES-0-future-ESH5",
        ),
        (
            bars_pb2.Instrument(symbol="ES", security_type=bars_pb2.SECURITY_TYPE_FUTURE, last_trade_date="202506"),
            "ES-0-future-202506",
        ),
        (bars_pb2.Instrument(symbol="EUR", security_type=bars_pb2.SECURITY_TYPE_FOREX), "EUR-0-forex-USD"),
    ],
)
def test_imported_instruments_without_a_number_of_ib_are_told_apart(instrument: bars_pb2.Instrument, name: str) -> None:
    key = bars_pb2.DatasetKey(
        source=bars_pb2.SOURCE_IMPORTED,
        instrument=instrument,
        what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST,
        use_rth=True,
        bar_size=bars_pb2.BAR_SIZE_1_DAY,
    )
    assert folder_of(key) == Path("imported") / name / "1d-adjusted_last-rth"


def test_recorded_and_real_bars_lie_apart(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 3))
    store.merge(daily_key(source=bars_pb2.SOURCE_IB), days(0, 4))
    assert [dataset.rows for dataset in store.list_all().datasets] == [4, 3]
    assert stored(store, daily_key()).num_rows == 3


@pytest.mark.parametrize("symbol", ["BRK B", "EUR.USD", "../up", "a/b", ".."])
def test_odd_symbols_stay_within_the_store(tmp_path: Path, symbol: str) -> None:
    key = daily_key(instrument=bars_pb2.Instrument(symbol=symbol))
    folder = folder_of(key)
    assert len(folder.parts) == 3
    assert ".." not in folder.parts
    BarStore(tmp_path).merge(key, days(0, 2))
    assert BarStore(tmp_path).list_all().datasets[0].key.instrument.symbol == symbol


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20), st.integers(1, 5)), min_size=1, max_size=8))
def test_whatever_is_merged_in_whatever_order_every_bar_has_its_newest_value(
    tmp_path_factory: pytest.TempPathFactory, loads: list[tuple[int, int, int]]
) -> None:
    store = BarStore(tmp_path_factory.mktemp("store"))
    expected: dict[int, float] = {}
    new_rows = 0
    for first, count, close in loads:
        new_rows += store.merge(daily_key(), days(first, first + count, float(close))).new_rows
        expected |= {microseconds(midnight(n)): float(close) for n in range(first, first + count)}
    table = stored(store, daily_key())
    assert list(times_of(table)) == sorted(expected)
    assert dict(zip(times_of(table).tolist(), table.column("close").to_pylist(), strict=True)) == expected
    assert new_rows == len(expected)


def test_minutes_are_stored_by_year_and_read_as_one(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    key = daily_key(bar_size=bars_pb2.BAR_SIZE_1_MINUTE)
    start = datetime(2011, 12, 31, 23, 58, tzinfo=UTC)
    minutes = table_of([Bar(start + timedelta(minutes=n)) for n in range(4)])
    store.merge(key, minutes)
    untouched = next((tmp_path / "data/bars").rglob("2011-*.parquet"))
    store.merge(key, table_of([Bar(start + timedelta(minutes=4))]))
    assert untouched.exists()
    assert stored(store, key).num_rows == 5
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        summary = snapshot.summary(start + timedelta(minutes=1), start + timedelta(minutes=3))
    assert summary == (2, start + timedelta(minutes=1), start + timedelta(minutes=2))


def test_an_open_reader_keeps_its_version_over_later_merges(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 10))
    snapshot = store.open(daily_key())
    assert snapshot is not None
    with snapshot:
        for n in range(1, 6):
            store.merge(daily_key(), days(0, 10 + n))
        assert pa.concat_tables(snapshot.tables()).equals(days(0, 10))
    assert len(list((tmp_path / "data/bars").rglob("*.parquet"))) == 2  # the current one, and the one before it


def test_readers_beside_writers_always_see_a_whole_version(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 1))
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            seen.append(stored(store, daily_key()).num_rows)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        eventually_sync(lambda: seen)
        for n in range(2, 40):
            store.merge(daily_key(), days(0, n))
        eventually_sync(lambda: seen[-1] == 39)
    finally:
        done.set()
        reader.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 1


def test_writers_take_turns(tmp_path: Path) -> None:
    def write(first: int) -> None:
        for n in range(10):
            BarStore(tmp_path).merge(daily_key(), days(first + n, first + n + 1))

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(BarStore(tmp_path), daily_key()).equals(days(0, 30))


def test_a_dataset_that_stays_locked_is_busy(tmp_path: Path) -> None:
    store = BarStore(tmp_path, lock_timeout=timedelta(seconds=0.05))
    store.merge(daily_key(), days(0, 1))
    with (
        FolderLock(store.folder(daily_key()) / "lock", owner="another host"),
        pytest.raises(ServiceError) as error,
    ):
        store.merge(daily_key(), days(1, 2))
    assert reason_of(error) == "DATASET_BUSY"
    assert f"held by another host (pid {os.getpid()} on {socket.gethostname()}, since " in error.value.message


def test_what_a_crash_left_behind_is_removed_and_harms_nobody(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 3))
    folder = tmp_path / "data/bars" / folder_of(daily_key())
    (folder / "2012-v2.parquet").write_bytes(b"half")
    (folder / ".2012-v3.parquet.new").write_bytes(b"half")
    assert stored(store, daily_key()).equals(days(0, 3))
    store.merge(daily_key(), days(3, 4))
    assert sorted(path.name for path in folder.glob("*.parquet*")) == ["2012-v1.parquet", "2012-v2.parquet"]
    assert stored(store, daily_key()).equals(days(0, 4))
    assert not list(folder.glob(".*.new"))


def _part(tmp_path: Path) -> Path:
    return next((tmp_path / "data/bars").rglob("*.parquet"))


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not parquet"),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.unlink(),
        _flip_a_byte,
        lambda path: shutil.copy(path.parent.parent.parent / "MSFT-1" / path.parent.name / path.name, path),
    ],
    ids=["rubbish", "cut", "missing", "bit rot", "another file"],
)
def test_a_damaged_file_is_told_and_not_served(tmp_path: Path, damage: object) -> None:
    store = BarStore(tmp_path)
    other = daily_key(instrument=bars_pb2.Instrument(symbol="MSFT", contract_id=1))
    store.merge(other, days(0, 500, close=20.0))
    store.merge(daily_key(), days(0, 1000))
    path = next((tmp_path / "data/bars/replay/AAPL-265598").rglob("*.parquet"))
    assert callable(damage)
    damage(path)
    with pytest.raises(ServiceError) as error:
        stored(store, daily_key())
    assert reason_of(error) == "STORE_CORRUPT"
    assert "AAPL-265598" in error.value.message
    assert stored(store, other).num_rows == 500


def test_a_damaged_manifest_does_not_hide_other_datasets(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    other = daily_key(instrument=bars_pb2.Instrument(symbol="MSFT", contract_id=1))
    store.merge(other, days(0, 2))
    store.merge(daily_key(), days(0, 3))
    next((tmp_path / "data/bars/replay/AAPL-265598").rglob("manifest.json")).write_text("{")
    listing = store.list_all()
    assert [dataset.key.instrument.symbol for dataset in listing.datasets] == ["MSFT"]
    with pytest.raises(ServiceError) as error:
        choose(daily_key(), listing, start=None, end=None, now=NOW)
    assert reason_of(error) == "STORE_CORRUPT"
    with pytest.raises(ServiceError) as error:
        store.merge(daily_key(), days(0, 1))
    assert reason_of(error) == "STORE_CORRUPT"


def test_the_fingerprint_is_that_of_the_values_alone(tmp_path: Path) -> None:
    one, two = BarStore(tmp_path / "one"), BarStore(tmp_path / "two")
    one.merge(daily_key(), days(0, 10))
    two.merge(daily_key(), days(5, 10))
    two.merge(daily_key(), days(0, 5))
    assert one.list_all().datasets[0].fingerprint == two.list_all().datasets[0].fingerprint


def test_bars_of_one_answer_are_sorted_and_told_apart_by_time() -> None:
    table = table_of([Bar(date(2012, 1, 3)), Bar(date(2012, 1, 2)), Bar(date(2012, 1, 3), close=5.0)])
    assert table.column("close").to_pylist() == [10.0, 5.0]
    assert [instant(int(time)).day for time in times_of(table)] == [2, 3]


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2012, 1, 3, 15, 30)  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="zone"):
        table_of([Bar(naive)])


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.integers(0, 50), unique=True))
def test_merged_tables_are_ascending_and_complete(old: list[int], new: list[int]) -> None:
    def table(numbers: Sequence[int], close: float) -> pa.Table:
        return table_of([Bar(FIRST_DAY + timedelta(days=n), close=close) for n in numbers])

    merged = merge(table(old, 1.0), table(new, 2.0))
    assert list(times_of(merged.table)) == [microseconds(midnight(n)) for n in sorted({*old, *new})]
    assert merged.table.column("close").to_pylist().count(2.0) == len(new)
    assert merged.new_rows == len({*new} - {*old})


def test_ranges_are_half_open() -> None:
    assert between(days(0, 10), midnight(2), midnight(4)).equals(days(2, 4))
    assert between(days(0, 10), None, midnight(1)).equals(days(0, 1))
    assert between(days(0, 10), midnight(5), midnight(3)).num_rows == 0
    assert digest(between(days(0, 10), midnight(2), midnight(4))) == digest(days(2, 4))


def test_a_missing_dataset_names_the_command_that_loads_it(tmp_path: Path) -> None:
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    start, end = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
    with pytest.raises(ServiceError) as error:
        choose(wanted, BarStore(tmp_path).list_all(), start=start, end=end, now=NOW)
    assert reason_of(error) == "DATASET_NOT_FOUND"
    assert "ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01" in error.value.message
    assert load_command(wanted, None, None, NOW) == "ktrdr data load AAPL 1d --start 2016-01-16 --end 2026-01-15"


def test_a_key_without_source_takes_what_is_stored_and_asks_when_both_are(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="aapl"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    store.merge(daily_key(), days(0, 1))
    chosen = choose(wanted, store.list_all(), start=None, end=None, now=NOW)
    assert title_of(chosen.key) == "AAPL 1d TRADES (REPLAY)"
    store.merge(daily_key(source=bars_pb2.SOURCE_IB), days(0, 1))
    with pytest.raises(ServiceError) as error:
        choose(wanted, store.list_all(), start=None, end=None, now=NOW)
    assert reason_of(error) == "DATASET_AMBIGUOUS"
    assert error.value.fields[0].field == "key.source"
    assert "SOURCE_IB or SOURCE_REPLAY" in error.value.message


def test_two_instruments_of_one_symbol_are_told_apart_by_contract(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 1))
    store.merge(daily_key(instrument=bars_pb2.Instrument(contract_id=7)), days(0, 2))
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    with pytest.raises(ServiceError) as error:
        choose(wanted, store.list_all(), start=None, end=None, now=NOW)
    assert error.value.fields[0].field == "key.instrument.contract_id"
    wanted.instrument.contract_id = 7
    assert choose(wanted, store.list_all(), start=None, end=None, now=NOW).rows == 2


def test_imported_bars_without_a_number_are_meant_where_none_is_named(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    numbered = daily_key(source=bars_pb2.SOURCE_IMPORTED)
    plain = daily_key(source=bars_pb2.SOURCE_IMPORTED)
    plain.instrument.contract_id = 0
    store.merge(numbered, days(0, 1))
    store.merge(plain, days(0, 2))
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    assert choose(wanted, store.list_all(), start=None, end=None, now=NOW).rows == 2
    wanted.instrument.contract_id = numbered.instrument.contract_id
    assert choose(wanted, store.list_all(), start=None, end=None, now=NOW).rows == 1


def test_a_future_is_meant_by_its_local_symbol_and_by_the_month_of_its_contract(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    for number, (local, date_) in enumerate((("ESH5", "20250321"), ("ESM5", "20250620")), 1):
        key = daily_key()
        key.instrument.CopyFrom(
            bars_pb2.Instrument(
                symbol="ES",
                contract_id=number,
                security_type=bars_pb2.SECURITY_TYPE_FUTURE,
                local_symbol=local,
                last_trade_date=date_,
            )
        )
        store.merge(key, days(0, number))

    def rows(**instrument: str) -> int:
        wanted = bars_pb2.DatasetKey(
            instrument=bars_pb2.Instrument(**instrument),  # type: ignore[arg-type]  # keyword arguments by name
            bar_size=bars_pb2.BAR_SIZE_1_DAY,
        )
        return choose(wanted, store.find(wanted.instrument), start=None, end=None, now=NOW).rows

    assert (rows(symbol="ESH5"), rows(symbol="esm5"), rows(symbol="ES", local_symbol="ESM5")) == (1, 2, 2)
    assert (rows(symbol="ES", last_trade_date="202503"), rows(symbol="ES", last_trade_date="20250620")) == (1, 2)
    with pytest.raises(ServiceError, match="set contract_id to one of 1, 2"):
        rows(symbol="ES")


def test_imported_instruments_of_one_symbol_are_told_apart_by_their_currency(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    for currency in ("EUR", "USD"):
        key = daily_key(source=bars_pb2.SOURCE_IMPORTED)
        key.instrument.CopyFrom(bars_pb2.Instrument(symbol="AAPL", currency=currency))
        store.merge(key, days(0, 1))
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    with pytest.raises(ServiceError, match="set currency to one of EUR, USD"):
        choose(wanted, store.list_all(), start=None, end=None, now=NOW)


def test_a_damaged_dataset_of_another_length_is_not_what_is_missing(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(daily_key(), days(0, 1))
    (store.folder(daily_key()) / "manifest.json").write_text("{")
    for size, reason in ((bars_pb2.BAR_SIZE_1_DAY, "STORE_CORRUPT"), (bars_pb2.BAR_SIZE_1_HOUR, "DATASET_NOT_FOUND")):
        wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="aapl"), bar_size=size)
        with pytest.raises(ServiceError) as error:
            choose(wanted, store.find(wanted.instrument), start=None, end=None, now=NOW)
        assert reason_of(error) == reason


@pytest.mark.parametrize("symbol", ["EUR.USD", "eurusd", "EUR"])
def test_a_currency_pair_is_meant_by_its_currencies_and_by_its_midpoint(tmp_path: Path, symbol: str) -> None:
    store = BarStore(tmp_path)
    pair = bars_pb2.Instrument(
        symbol="EUR", currency="USD", contract_id=12087792, security_type=bars_pb2.SECURITY_TYPE_FOREX
    )
    store.merge(daily_key(instrument=pair, what_to_show=bars_pb2.WHAT_TO_SHOW_MIDPOINT), days(0, 2))
    store.merge(daily_key(instrument=pair, what_to_show=bars_pb2.WHAT_TO_SHOW_BID), days(0, 1))
    wanted = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol=symbol), bar_size=bars_pb2.BAR_SIZE_1_DAY)
    found = store.find(wanted.instrument)
    assert choose(wanted, found, start=None, end=None, now=NOW).rows == 2
    wanted.what_to_show = bars_pb2.WHAT_TO_SHOW_BID
    assert choose(wanted, found, start=None, end=None, now=NOW).rows == 1
