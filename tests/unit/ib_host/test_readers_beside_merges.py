"""Readers that are held up while bars are merged: what they miss is looked at again, and never called damaged."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.store import snapshot
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.parts import open_part
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
