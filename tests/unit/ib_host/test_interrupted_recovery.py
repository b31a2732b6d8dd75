"""A load that is killed while it goes on without damaged files leaves no hole that nobody asks for any more."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.ledger_file import LedgerFile
from services.ib_host.ledger.records import Entry, SpanOutcome, SpanRecord
from services.ib_host.loading.damaged import drop_damaged
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.manifest import Manifest
from tests.support.stored_bars import bar_key, bars_from, read_all

KEY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
START, DAYS = datetime(2011, 7, 1, tzinfo=UTC), 700
END = START + timedelta(days=DAYS)
LOST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    """Three years of bars, all of them asked for; the file of the second is damaged."""
    store = BarStore(tmp_path)
    store.merge(KEY, bars_from(START, DAYS))
    ledger = DatasetLedger.open(store.folder(KEY))
    ledger.add(SpanRecord(start=START, end=END, outcome=SpanOutcome.DONE, time=END, request="all", session="1"))
    next(store.folder(KEY).glob("2012-*.parquet")).write_bytes(b"rubbish")
    return store


def lost_bars_are_told_or_asked_for(store: BarStore) -> bool:
    """Tell whether someone comes to know of the bars of 2012: by an error, or because the ledger lacks them."""
    try:
        read_all(store, KEY)
    except ServiceError:
        return True
    return bool(DatasetLedger.open(store.folder(KEY)).unknown(*LOST))


@pytest.mark.parametrize("writes", range(2))
def test_wherever_it_is_killed_the_lost_bars_are_told_or_asked_for(
    store: BarStore, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    written = 0

    def live_or_die(write: Callable[[], None]) -> None:
        nonlocal written
        if written == writes:
            raise KilledError
        write()
        written += 1

    save, add = Manifest.save, LedgerFile.add

    def save_or_die(manifest: Manifest, folder: Path) -> None:
        live_or_die(lambda: save(manifest, folder))

    def add_or_die(file: LedgerFile, entries: Iterable[Entry]) -> None:
        live_or_die(lambda: add(file, entries))

    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "save", save_or_die)
        patched.setattr(LedgerFile, "add", add_or_die)
        with pytest.raises(KilledError):
            drop_damaged(store, KEY)
    assert lost_bars_are_told_or_asked_for(store)
    drop_damaged(store, KEY)
    assert read_all(store, KEY).num_rows == DAYS - 366
    assert DatasetLedger.open(store.folder(KEY)).unknown(*LOST)
