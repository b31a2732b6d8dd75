"""Exports of bars that arrive in pieces, break off, or never end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import HOST_KIND_IB
from ktrdr.operations.v1.operations_pb2 import HostRecord
from ktrdr_client import AlreadyExists, AsyncClient, DataLoss, NotFound

from tests.support.eventually import eventually
from tests.support.simulated_ib_host import SimulatedMarket, simulated_ib_host, table_of_bars
from tests.support.simulated_operations import simulated_operations


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedMarket, AsyncClient]]:
    market = SimulatedMarket(bars=table_of_bars(5000), piece_bytes=9_000)
    async with (
        simulated_ib_host(market) as host_address,
        simulated_operations() as (registry, address),
        AsyncClient(address) as client,
    ):
        registry.hosts.append(HostRecord(name="ib", kind=HOST_KIND_IB, address=host_address, state=HostRecord.STATE_UP))
        yield market, client


Served = tuple[SimulatedMarket, AsyncClient]


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_pieces_that_cut_through_batches_become_a_file(served: Served, tmp_path: Path) -> None:
    _, client = served
    rows: list[int] = []
    exported = await client.data.export("AAPL", "1d", tmp_path / "bars.csv", on_rows=rows.append)
    assert (exported.rows, rows[-1], exported.is_replay) == (5000, 5000, True)
    assert f"{exported.first_time:%Y-%m-%d}" == "2000-03-01"
    lines = (tmp_path / "bars.csv").read_text().splitlines()
    assert (len(lines), lines[1].split(",")[0]) == (5001, "2000-03-01")
    with pytest.raises(AlreadyExists, match="--force"):
        await client.data.export("AAPL", "1d", tmp_path / "bars.csv")


async def test_a_stream_that_breaks_leaves_no_file_and_keeps_its_reason(served: Served, tmp_path: Path) -> None:
    market, client = served
    market.broken_after = 3
    with pytest.raises(DataLoss, match="the file is damaged") as caught:
        await client.data.export("AAPL", "1d", tmp_path / "bars.parquet")
    assert caught.value.reason == "STORE_CORRUPT"
    assert not files(tmp_path)


async def test_a_stream_that_says_no_more_can_be_left(served: Served, tmp_path: Path) -> None:
    market, client = served
    market.silent_after = 3
    exporting = asyncio.create_task(client.data.export("AAPL", "1d", tmp_path / "bars.csv"))
    await eventually(lambda: bool(files(tmp_path)))
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    assert not files(tmp_path)


async def test_a_range_without_bars_is_told(served: Served, tmp_path: Path) -> None:
    market, client = served
    market.bars = table_of_bars(0)
    with pytest.raises(NotFound, match="no bars in this range"):
        await client.data.export("AAPL", "1d", tmp_path / "bars.csv")
    with pytest.raises(ValueError, match=r"\.parquet"):
        await client.data.export("AAPL", "1d", tmp_path / "bars")
    assert not files(tmp_path)
