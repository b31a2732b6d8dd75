"""Repairs of datasets: whatever interrupts them, bars that nobody has any more end up at the prices of today."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.common.files import FolderLock
from services.ib_host.loading import repair as module
from services.ib_host.loading.repair import Repair
from services.ib_host.replay.sources.stored_bars import dataset_folders
from services.ib_host.store.bar_store import BarStore
from tests.support.stored_bars import bar_key, bars_from, read_all

DAILY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
OLD = bars_from(datetime(2012, 12, 20, tzinfo=UTC), 20)
SPLIT = bars_pb2.Revision(kind=bars_pb2.Revision.KIND_SPLIT, price_ratio=0.5)
DIVIDEND = bars_pb2.Revision(kind=bars_pb2.Revision.KIND_CORRECTION, price_ratio=0.9)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    """A store with the bars of a dataset, as they were before a split."""
    store = BarStore(tmp_path)
    store.merge(DAILY, OLD)
    return store


def closes(store: BarStore) -> tuple[list[float], list[float]]:
    """Return the closes and volumes that readers see."""
    table = read_all(store, DAILY)
    return table.column("close").to_pylist(), table.column("volume").to_pylist()


def scaled(factor: float) -> list[float]:
    """Return the closes of before, times a factor."""
    return [close * factor for close in OLD.column("close").to_pylist()]


def test_a_publication_that_is_killed_before_its_end_begins_again(
    store: BarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = Repair.begin(store, DAILY, SPLIT)
    repair.store.merge(DAILY, module.at_new_prices(OLD.slice(15), SPLIT))
    with monkeypatch.context() as context:
        context.setattr(module, "_remove", lambda _: None)
        repair.publish()
    again = Repair.pending(store, DAILY)
    assert again is not None
    assert again.published
    assert again.publish() == OLD.num_rows
    assert closes(store)[0] == pytest.approx(scaled(0.5))
    assert Repair.pending(store, DAILY) is None


def test_a_change_of_all_prices_during_a_repair_counts_besides_the_first(store: BarStore) -> None:
    first = Repair.begin(store, DAILY, SPLIT)
    first.store.merge(DAILY, module.at_new_prices(OLD.slice(15), SPLIT))
    Repair.begin(store, DAILY, DIVIDEND, instead_of=first)
    pending = Repair.pending(store, DAILY)
    assert pending is not None
    assert list(pending.revisions) == [SPLIT, DIVIDEND]
    pending.publish()
    prices, volumes = closes(store)
    assert prices == pytest.approx(scaled(0.45))
    assert volumes == pytest.approx([2 * volume for volume in OLD.column("volume").to_pylist()])


def test_a_repair_that_was_published_already_does_not_count_twice(
    store: BarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Repair.begin(store, DAILY, SPLIT)
    with monkeypatch.context() as context:
        context.setattr(module, "_remove", lambda _: None)
        first.publish()
    second = Repair.begin(store, DAILY, DIVIDEND, instead_of=first)
    second.publish()
    assert closes(store)[0] == pytest.approx(scaled(0.45))


def test_a_version_that_is_being_made_is_no_dataset_to_replay(store: BarStore, tmp_path: Path) -> None:
    Repair.begin(store, DAILY, SPLIT).store.merge(DAILY, OLD.slice(15))
    assert dataset_folders(tmp_path) == [store.folder(DAILY)]


def test_a_lock_is_taken_although_there_is_no_room_for_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = FolderLock(tmp_path / "lock")
    with monkeypatch.context() as context:
        context.setattr("services.common.files.os.pwrite", full)
        lock.acquire()
    lock.release()
    with FolderLock(tmp_path / "lock"):
        pass
