"""Bars that were read before: found again by what was asked for, bounded, and never trusted when damaged."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.training_host.bars.cache import BarCache

ONE, TWO = "1" * 64, "ab" * 32


def request(symbol: str = "AAPL", year: int = 2012, known: str = "") -> ib_pb2.StreamBarsRequest:
    message = ib_pb2.StreamBarsRequest(
        key=bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol=symbol)), known_fingerprint=known
    )
    message.start_time.FromDatetime(datetime(year, 1, 1, tzinfo=UTC))
    return message


def used(cache: BarCache, asked: ib_pb2.StreamBarsRequest, second: int) -> None:
    """Set when an entry was of use last."""
    found = cache.find(asked)
    assert found is not None
    os.utime(found.path, (second, second))


@pytest.fixture
def cache(tmp_path: Path) -> BarCache:
    return BarCache(tmp_path / "cache", 10_000)


def test_what_was_kept_is_found_by_dataset_and_range(cache: BarCache) -> None:
    cache.keep(request(), ONE, [b"bars", b" of 2012"])
    found = cache.find(request(known=TWO))
    assert found is not None
    assert (found.fingerprint, found.content()) == (ONE, b"bars of 2012")
    assert cache.find(request(year=2011)) is None
    assert cache.find(request("MSFT")) is None


def test_a_newer_answer_takes_the_place_of_the_old_one(cache: BarCache) -> None:
    cache.keep(request(), ONE, [b"old"])
    cache.keep(request(), TWO, [b"new"])
    found = cache.find(request())
    assert found is not None
    assert (found.fingerprint, found.content()) == (TWO, b"new")
    assert len(list(cache.folder.iterdir())) == 1


def test_bars_of_another_fingerprint_are_not_taken_for_those_that_were_found(cache: BarCache) -> None:
    cache.keep(request(), ONE, [b"old"])
    found = cache.find(request())
    assert found is not None
    cache.keep(request(), TWO, [b"new"])  # by another worker, while the IB host is asked
    assert found.content() is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 180), st.integers(1, 255))
def test_a_damaged_file_is_never_taken_for_bars(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    cache = BarCache(tmp_path_factory.mktemp("cache"), 10_000)
    cache.keep(request(), ONE, [b"x" * 100])
    path = next(cache.folder.iterdir())
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= change
    path.write_bytes(content)
    found = cache.find(request())
    assert found is None or found.content() is None


@pytest.mark.parametrize("content", [b"", b"ktrdrbars1", b"something else" * 20])
def test_a_file_that_is_no_entry_is_as_if_it_were_not_there(cache: BarCache, content: bytes) -> None:
    cache.keep(request(), ONE, [b"bars"])
    next(cache.folder.iterdir()).write_bytes(content)
    assert cache.find(request()) is None


def test_what_was_not_of_use_for_longest_makes_room(cache: BarCache) -> None:
    for number, symbol in enumerate(("A", "B", "C")):
        cache.keep(request(symbol), ONE, [b"x" * 3_000])
        used(cache, request(symbol), 1_000 + number)
    found = cache.find(request("A"))
    assert found is not None
    assert found.content() is not None  # of use now
    cache.keep(request("D"), ONE, [b"x" * 3_000])
    assert [symbol for symbol in "ABCD" if cache.find(request(symbol))] == ["A", "C", "D"]
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= cache.most_bytes


def test_what_a_killed_worker_left_is_removed_like_the_rest(cache: BarCache) -> None:
    cache.folder.mkdir()
    left = cache.folder / "tmp123.new"
    left.write_bytes(b"x" * 9_500)
    os.utime(left, (1_000, 1_000))
    cache.keep(request(), ONE, [b"x" * 3_000])
    assert not left.exists()
    assert cache.find(request()) is not None


@pytest.mark.parametrize(("most", "fingerprint"), [(0, ONE), (3_000, ONE), (10_000, ""), (10_000, "not hexadecimal")])
def test_what_does_not_fit_or_cannot_be_compared_is_not_kept(tmp_path: Path, most: int, fingerprint: str) -> None:
    cache = BarCache(tmp_path / "cache", most)
    cache.keep(request(), fingerprint, [b"x" * 3_000])
    assert cache.find(request()) is None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = BarCache(tmp_path / "file" / "cache", 10_000)
    cache.keep(request(), ONE, [b"bars"])
    assert cache.find(request()) is None
