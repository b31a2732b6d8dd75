"""StreamBars over the wire: columns, what the caller knows already, damage, slow readers and those that leave."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA
from services.ib_host.streaming.arrow import Piece, pieces
from tests.support.eventually import eventually, settled
from tests.support.ib_host import IbHost, ib_host
from tests.support.store_calls import NOWHERE, bars_request, refused, streamed, table_of, violations
from tests.support.stored_bars import bar_key, bars_from

KEY = bar_key(bars_pb2.BAR_SIZE_1_MINUTE)
START = datetime(2012, 12, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BARS = bars_from(START, 5_000, step=MINUTE)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    store = BarStore(tmp_path)
    store.merge(KEY, BARS)
    return store


@pytest.fixture
async def host(tmp_path: Path, store: BarStore) -> AsyncIterator[IbHost]:
    assert store.list_all().datasets
    async with ib_host(tmp_path, NOWHERE) as running:
        yield running


async def test_columns_come_in_the_order_asked_for_after_the_time(host: IbHost) -> None:
    responses = await streamed(host, key=KEY, columns=["volume", "close"], batch_rows=1_024)
    assert table_of(responses).equals(BARS.select(["time", "volume", "close"]))
    assert table_of(await streamed(host, key=KEY, columns=["close", "time"])).column_names == ["time", "close"]
    assert table_of(await streamed(host, key=KEY)).equals(BARS)


async def test_columns_and_a_range_go_together_even_where_it_has_no_bars(host: IbHost) -> None:
    low, high = START + 700 * MINUTE, START + 800 * MINUTE
    table = table_of(await streamed(host, key=KEY, columns=["count"], start=low, end=high))
    assert table.equals(BARS.slice(700, 100).select(["time", "count"]))
    nothing = table_of(await streamed(host, key=KEY, columns=["count"], start=START + 9_000 * MINUTE))
    assert nothing.schema.equals(pa.schema([SCHEMA.field("time"), SCHEMA.field("count")]))


@pytest.mark.parametrize(
    ("columns", "words"),
    [(["price", "close"], "has 'price'; there are: time, open, high"), (["close", "close"], "twice")],
)
async def test_other_columns_are_refused_with_those_there_are(host: IbHost, columns: list[str], words: str) -> None:
    call = host.bars.StreamBars(bars_request(key=KEY, columns=columns), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert violations(failure) == ["columns"]
    assert words in (failure.details() or "")


async def test_who_has_the_bars_is_told_so_until_they_change(host: IbHost, store: BarStore) -> None:
    fingerprint = (await streamed(host, key=KEY))[0].dataset.fingerprint
    (answer,) = await streamed(host, key=KEY, known_fingerprint=fingerprint, start=START + MINUTE)
    assert (answer.unchanged, answer.rows, answer.arrow_ipc) == (True, 0, b"")
    assert answer.dataset.fingerprint == fingerprint
    await asyncio.to_thread(store.merge, KEY, bars_from(START, 1, close=7.0))
    responses = await streamed(host, key=KEY, known_fingerprint=fingerprint)
    assert not responses[0].unchanged
    assert table_of(responses).num_rows == 5_000


async def test_a_damaged_year_is_told_with_the_command_that_gets_it_again(host: IbHost, store: BarStore) -> None:
    next(store.folder(KEY).glob("2013-*.parquet")).write_bytes(b"rubbish")
    whole = host.bars.StreamBars(bars_request(key=KEY), timeout=60)
    failure = await refused(whole, grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT")
    assert "ktrdr data load AAPL 1min --start 2013-01-01 --end 2013-01-03 --reload" in (failure.details() or "")
    sound = await streamed(host, key=KEY, end=datetime(2013, 1, 1, tzinfo=UTC))
    assert table_of(sound).equals(BARS.slice(0, 720))


async def test_a_damaged_manifest_is_listed_and_hides_no_other_dataset(host: IbHost, store: BarStore) -> None:
    hours = bar_key(bars_pb2.BAR_SIZE_1_HOUR)
    await asyncio.to_thread(store.merge, hours, bars_from(START, 3, step=60 * MINUTE))
    (store.folder(KEY) / "manifest.json").write_text("{")
    listed = await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(), timeout=60)
    assert [dataset.key.bar_size for dataset in listed.datasets] == [bars_pb2.BAR_SIZE_1_HOUR]
    assert listed.damaged == ["data/bars/replay/AAPL-265598/1min-trades-rth"]
    call = host.bars.StreamBars(bars_request(key=KEY), timeout=60)
    failure = await refused(call, grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT")
    assert "--reload" in (failure.details() or "")


async def test_a_reader_that_waits_makes_the_host_read_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read ahead of a slow reader is bounded: by some messages, and by what the connection takes."""
    store = BarStore(tmp_path)
    rows = 600_000
    store.merge(KEY, bars_from(datetime(2012, 1, 1, tzinfo=UTC), rows, step=timedelta(seconds=60)))
    made: list[int] = []

    def counted(tables: Iterable[pa.Table], schema: pa.Schema, batch_rows: int) -> Iterator[Piece]:
        for piece in pieces(tables, schema, batch_rows):
            made.append(piece.rows)
            yield piece

    monkeypatch.setattr("services.ib_host.streaming.bar_stream.pieces", counted)
    small_window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with (
        ib_host(tmp_path, NOWHERE) as host,
        grpc.aio.insecure_channel(host.address, options=small_window) as channel,
    ):
        stub: Any = ib_pb2_grpc.IbHostServiceStub(channel)
        call = stub.StreamBars(bars_request(key=KEY, batch_rows=32_768), timeout=60)
        first = await call.read()
        await settled(lambda: len(made))
        assert first.rows == 32_768
        assert sum(made) < rows / 2
        received = first.rows
        while (response := await call.read()) is not grpc.aio.EOF:
            received += response.rows
        assert received == rows


async def test_readers_that_leave_close_the_files_of_the_host(host: IbHost) -> None:
    for _ in range(20):
        call = host.bars.StreamBars(bars_request(key=KEY, batch_rows=1_024), timeout=60)
        assert (await call.read()).rows == 1_024
        call.cancel()

    def closed() -> bool:
        targets = [descriptor.resolve() for descriptor in Path("/proc/self/fd").iterdir()]
        return not any(target.suffix == ".parquet" for target in targets)

    await eventually(closed)
    assert table_of(await streamed(host, key=KEY)).equals(BARS)
