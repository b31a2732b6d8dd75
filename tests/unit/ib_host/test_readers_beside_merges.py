"""Readers that are held up while bars are merged: what they miss is looked at again, and never called damaged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.common.timestamps import to_timestamp
from services.ib_host.dataset_check import DatasetCheck
from services.ib_host.store import snapshot
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.parts import open_part
from services.ib_host.store.snapshot import Snapshot
from tests.support.checked_datasets import CheckedDataset, bars_at, key_of
from tests.support.fake_clock import FakeClock
from tests.support.stored_bars import bar_key, bars_from, read_all

KEY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
START = datetime(2012, 3, 1, tzinfo=UTC)
MERGES = 20


def test_a_reader_that_is_overtaken_again_and_again_finds_the_version_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BarStore(tmp_path)
    store.merge(KEY, bars_from(START, 1, close=1.0))
    merged = 1

    def open_late(path: Path) -> pa.NativeFile:
        """Open a file after two merges, which remove it, as long as there are any to come."""
        nonlocal merged
        if merged < MERGES:
            for _ in range(2):
                merged += 1
                store.merge(KEY, bars_from(START, 1, close=float(merged)))
        return real(path)

    real = open_part
    monkeypatch.setattr(snapshot, "open_part", open_late)
    assert read_all(store, KEY).column("close").to_pylist() == [float(merged)]
    assert merged >= MERGES


def test_a_file_that_is_missing_while_nobody_merges_is_damage(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.merge(KEY, bars_from(START, 1))
    for path in store.folder(KEY).glob("*.parquet"):
        path.unlink()
    with pytest.raises(ServiceError, match="names is missing"):
        store.open(KEY)


async def test_bars_that_a_load_stores_while_they_are_checked_are_not_said_to_be_missing_at_the_gateway(
    tmp_path: Path,
) -> None:
    first, last = datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 8, tzinfo=UTC)
    monday_to_friday = [first + timedelta(days=day) for day in range(5)]
    dataset = CheckedDataset(tmp_path, key_of(primary_exchange="NOWHERE"), bars_at(monday_to_friday[:3]))
    dataset.asked(first, monday_to_friday[3])

    class LoadedMeanwhile(BarStore):
        """Opens a version, and a load has brought the next one when the reader goes on."""

        def open(self, key: bars_pb2.DatasetKey) -> Snapshot | None:
            opened = super().open(key)
            self.merge(key, bars_at(monday_to_friday[3:]))
            dataset.asked(monday_to_friday[3], last + timedelta(days=1))
            return opened

    check = DatasetCheck(LoadedMeanwhile(tmp_path), tmp_path, FakeClock(last + timedelta(days=30)))
    request = ib_pb2.CheckDatasetRequest(
        key=dataset.key, start_time=to_timestamp(first), end_time=to_timestamp(last + timedelta(days=1))
    )
    verdict = (await check.check(request)).verdict
    assert (verdict.stored_bars, verdict.complete) == (3, False)
    assert [span.reason for span in verdict.missing] == [bars_pb2.MissingSpan.REASON_NOT_LOADED]
