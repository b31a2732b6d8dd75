"""A training host that has read bars before: the IB host is asked, and sends them only if they have changed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.bootstrap import running_server
from services.common.errors import ServiceError, reason_name
from services.ib_host.datasets import Datasets
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from services.ib_host.store.bar_store import BarStore
from services.training_host.bars.cache import BarCache
from services.training_host.bars.ib_host import IbHostBars
from services.training_host.bars.loaded import LoadedBars
from tests.support.datasets import small_strategy
from tests.support.no_progress import NoProgress
from tests.support.stored_bars import bar_key, bars_from

KEY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
FIRST = datetime(2010, 1, 1, tzinfo=UTC)
STRATEGY = small_strategy()


@contextlib.asynccontextmanager
async def ib_host(home: Path) -> AsyncIterator[str]:
    settings = IbHostSettings(home=home, port=0, gateway="127.0.0.1:1")
    async with running_server(IbHostService(settings), settings) as server:
        yield server.address


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every message that the IB host sends; -1 for one that says that nothing has changed."""
    rows: list[int] = []
    stream = Datasets.stream

    async def noted(datasets: Datasets, request: ib_pb2.StreamBarsRequest) -> AsyncIterator[bytes]:
        async with contextlib.aclosing(stream(datasets, request)) as responses:
            async for encoded in responses:
                response = ib_pb2.StreamBarsResponse.FromString(encoded)
                rows.append(-1 if response.unchanged else response.rows)
                yield encoded

    monkeypatch.setattr(Datasets, "stream", noted)
    return rows


async def load(address: str, cache: BarCache) -> LoadedBars:
    bars = IbHostBars(
        address, bars_pb2.SOURCE_UNSPECIFIED, bars_pb2.WHAT_TO_SHOW_UNSPECIFIED, NoProgress(), cache, pause_seconds=0.01
    )
    return await asyncio.to_thread(bars.load, STRATEGY)


async def test_bars_that_have_not_changed_are_not_sent_again(tmp_path: Path, sent: list[int]) -> None:
    BarStore(tmp_path).merge(KEY, bars_from(FIRST, 500))
    cache = BarCache(tmp_path / "cache", 10**6)
    async with ib_host(tmp_path) as address:
        first = await load(address, cache)
        assert sum(sent) == 500
        sent.clear()
        again = await load(address, cache)
    assert sent == [-1]
    assert again.fingerprint() == first.fingerprint()
    assert again.datasets == first.datasets


async def test_bars_that_have_changed_are_sent_and_kept(tmp_path: Path, sent: list[int]) -> None:
    store, cache = BarStore(tmp_path), BarCache(tmp_path / "cache", 10**6)
    store.merge(KEY, bars_from(FIRST, 500))
    async with ib_host(tmp_path) as address:
        before = await load(address, cache)
        await asyncio.to_thread(store.merge, KEY, bars_from(FIRST, 1, close=3.0))
        sent.clear()
        after = await load(address, cache)
        assert sum(sent) == 500
        assert after.fingerprint() != before.fingerprint()
        sent.clear()
        assert (await load(address, cache)).fingerprint() == after.fingerprint()
    assert sent == [-1]


async def test_a_damaged_entry_is_asked_for_anew_and_replaced(tmp_path: Path, sent: list[int]) -> None:
    BarStore(tmp_path).merge(KEY, bars_from(FIRST, 500))
    cache = BarCache(tmp_path / "cache", 10**6)
    async with ib_host(tmp_path) as address:
        first = await load(address, cache)
        (entry,) = cache.folder.iterdir()
        entry.write_bytes(entry.read_bytes()[:-100])
        sent.clear()
        assert (await load(address, cache)).fingerprint() == first.fingerprint()
        assert [rows for rows in sent if rows] == [-1, 500]
        sent.clear()
        await load(address, cache)
    assert sent == [-1]


async def test_imported_bars_are_trained_on_under_their_name(tmp_path: Path) -> None:
    imported = bar_key(bars_pb2.BAR_SIZE_1_DAY, bars_pb2.SOURCE_IMPORTED)
    BarStore(tmp_path).merge(imported, bars_from(FIRST, 500))
    async with ib_host(tmp_path) as address:
        loaded = await load(address, BarCache(tmp_path / "cache", 10**6))
    assert (loaded.count, loaded.source) == (500, bars_pb2.SOURCE_IMPORTED)
    assert [use.name for use in loaded.datasets] == ["AAPL 1d TRADES RTH (imported)"]


async def test_what_is_cached_proves_nothing_while_the_ib_host_is_away(tmp_path: Path) -> None:
    BarStore(tmp_path).merge(KEY, bars_from(FIRST, 500))
    cache = BarCache(tmp_path / "cache", 10**6)
    async with ib_host(tmp_path) as address:
        await load(address, cache)
    with pytest.raises(ServiceError) as error:
        await load(address, cache)
    assert reason_name(error.value.reason) == "BAR_SOURCE_UNAVAILABLE"
