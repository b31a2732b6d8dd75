"""Several processes at one store: writers take turns, readers see whole versions, and a kill loses nothing."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from ktrdr_client.bar_files import open_store

from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import between, times_of
from tests.support.bar_writer import DAYS, KEY, first_day
from tests.support.stored_bars import bars_from, read_all

ENDLESS = 1_000_000
MANY = 40


@contextmanager
def writer(home: Path, number: int, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.bar_writer", str(home), str(number), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def price_of(table: pa.Table, number: int) -> float:
    """Return the price that all bars of a writer have: its merges are seen whole, over all years."""
    bars = between(table, first_day(number), first_day(number + 1))
    assert bars.num_rows == DAYS
    (price,) = set(bars.column("close").to_pylist())
    return float(price)


@pytest.mark.kill
def test_a_writer_that_is_killed_anywhere_loses_no_merge_that_had_returned(tmp_path: Path) -> None:
    store, chance = BarStore(tmp_path), random.Random(7)
    for _ in range(3):
        with writer(tmp_path, 0, ENDLESS) as process:
            assert process.stdout is not None
            told = [int(process.stdout.readline()) for _ in range(chance.randrange(1, 6))]
            time.sleep(chance.random() * 0.03)  # somewhere within a merge
            process.kill()
            told += [int(line) for line in process.stdout.read().splitlines() if line]
        assert price_of(read_all(store, KEY), 0) in {told[-1], told[-1] + 1}, (
            "the merge that had returned, or the one that was under way"
        )
        folder = store.folder(KEY)
        assert store.merge(KEY, bars_from(first_day(0), DAYS, close=0.5)).dataset.rows == DAYS
        assert not list(folder.glob(".*.new"))
        assert len(list(folder.glob("*.parquet"))) <= 4  # of the version and of the one before it


def test_writers_and_readers_in_processes_of_their_own_never_see_half_a_version(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    for number in (0, 1):
        store.merge(KEY, bars_from(first_day(number), DAYS, close=0.0))
    seen: dict[int, list[float]] = {0: [], 1: []}
    by_url = open_store(f"file://{tmp_path}/data/bars")
    with writer(tmp_path, 0, MANY) as one, writer(tmp_path, 1, MANY) as two:
        # Until enough was seen of both, or one of them, while the other waits for its turn, has done all it had to.
        while any(len(set(prices)) < 4 for prices in seen.values()) and None in (one.poll(), two.poll()):
            for table in (read_all(store, KEY), by_url.bars("AAPL", "1d").table):
                assert (times_of(table)[1:] > times_of(table)[:-1]).all()
                for number, prices in seen.items():
                    prices.append(price_of(table, number))
        told = [last_turn(process) for process in (one, two)]
    for number, prices in seen.items():
        assert prices == sorted(prices), "no reader goes back to an older version"
        assert price_of(read_all(store, KEY), number) - told[number] in {0, 1}
    assert store.list_all().datasets[0].version - sum(told) - 2 in {0, 1, 2}, "each merge made one version"


def last_turn(process: subprocess.Popen[str]) -> int:
    """End a writer, and return which merge was the last that returned; 0 for none."""
    assert process.stdout is not None
    process.kill()
    turns = process.stdout.read().splitlines()
    return int(turns[-1]) if turns else 0
