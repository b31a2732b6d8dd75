"""ImportBars over the wire: what is stored, what is refused, and calls that break off."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.common.files import FolderLock
from services.ib_host.imports import BarImports
from services.ib_host.store.bar_store import BarStore
from tests.support.eventually import eventually
from tests.support.ib_host import IbHost, ib_host
from tests.support.store_calls import NOWHERE, import_requests, ipc_bytes, refused, streamed, table_of, violations
from tests.support.stored_bars import bar_key, bars_from

START = datetime(2012, 12, 20, tzinfo=UTC)
ASKED = bars_pb2.DatasetKey(
    instrument=bars_pb2.Instrument(symbol="aapl", time_zone="America/New_York"), bar_size=bars_pb2.BAR_SIZE_1_DAY
)
BARS = bars_from(START, 100)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[IbHost]:
    async with ib_host(tmp_path, NOWHERE) as running:
        yield running


async def brought(host: IbHost, table: pa.Table, key: bars_pb2.DatasetKey = ASKED, **more: Any) -> Any:
    return await host.bars.ImportBars(import_requests(key, ipc_bytes(table), **more), timeout=60)


def nothing_left(home: Path) -> bool:
    return not list((home / "data/imports").glob("*"))


async def test_bars_are_stored_in_a_dataset_of_their_own(host: IbHost, tmp_path: Path) -> None:
    answer = await brought(host, BARS)
    assert (answer.received_rows, answer.new_rows, answer.dataset.rows, answer.dataset.version) == (100, 100, 100, 1)
    key = answer.dataset.key
    assert (key.source, key.what_to_show, key.use_rth) == (bars_pb2.SOURCE_IMPORTED, bars_pb2.WHAT_TO_SHOW_TRADES, True)
    assert (key.instrument.symbol, key.instrument.security_type) == ("AAPL", bars_pb2.SECURITY_TYPE_STOCK)
    assert key.instrument.time_zone == "America/New_York"
    responses = await streamed(host, key=ASKED)
    assert responses[0].dataset == answer.dataset
    assert table_of(responses).equals(BARS)
    assert nothing_left(tmp_path)


async def test_more_bars_are_merged_and_only_replace_drops_some(host: IbHost) -> None:
    await brought(host, BARS)
    answer = await brought(host, bars_from(START + timedelta(days=90), 20, close=8.0))
    assert (answer.received_rows, answer.new_rows, answer.dataset.rows) == (20, 10, 110)
    answer = await brought(host, BARS.slice(5, 10), replace=True)
    assert (answer.new_rows, answer.dataset.rows, answer.dataset.version) == (0, 10, 3)
    assert table_of(await streamed(host, key=ASKED)).equals(BARS.slice(5, 10))


async def test_bars_of_other_sources_are_never_touched(host: IbHost, tmp_path: Path) -> None:
    recorded = bar_key(bars_pb2.BAR_SIZE_1_DAY)
    await asyncio.to_thread(BarStore(tmp_path).merge, recorded, bars_from(START, 3, close=5.0))
    await brought(host, BARS)
    call = host.bars.StreamBars(ib_pb2.StreamBarsRequest(key=ASKED), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "DATASET_AMBIGUOUS")
    assert violations(failure) == ["key.source"]
    assert "SOURCE_IMPORTED or SOURCE_REPLAY" in (failure.details() or "")
    assert table_of(await streamed(host, key=recorded)).num_rows == 3


async def test_every_wrong_field_of_the_key_is_named(host: IbHost) -> None:
    key = bars_pb2.DatasetKey(
        source=bars_pb2.SOURCE_IB, instrument=bars_pb2.Instrument(contract_id=5, time_zone="Mars/Olympus")
    )
    call = host.bars.ImportBars(import_requests(key, ipc_bytes(BARS)), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert violations(failure) == [
        "key.bar_size",
        "key.instrument.symbol",
        "key.source",
        "key.instrument.time_zone",
    ]


async def test_one_bar_that_cannot_be_keeps_all_of_them_out(host: IbHost, tmp_path: Path) -> None:
    await brought(host, BARS.slice(0, 10))
    wrong = BARS.set_column(2, BARS.schema.field("high"), pa.array([1_000.0] * 99 + [0.1]))
    call = host.bars.ImportBars(import_requests(ASKED, ipc_bytes(wrong), replace=True), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert violations(failure) == ["arrow_ipc"]
    assert "row 100 (2013-03-29 00:00:00 UTC): high 0.1 is below" in (failure.details() or "")
    assert table_of(await streamed(host, key=ASKED)).num_rows == 10
    assert nothing_left(tmp_path)


async def _no_messages() -> AsyncIterator[ib_pb2.ImportBarsRequest]:
    return
    yield


async def _key_twice() -> AsyncIterator[ib_pb2.ImportBarsRequest]:
    yield ib_pb2.ImportBarsRequest(key=ASKED, arrow_ipc=ipc_bytes(BARS))
    yield ib_pb2.ImportBarsRequest(key=ASKED)


@pytest.mark.parametrize("requests", [_no_messages, _key_twice])
async def test_the_first_message_and_only_it_has_the_key(host: IbHost, requests: Any) -> None:
    call = host.bars.ImportBars(requests(), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert violations(failure) == ["key"]


async def test_a_stream_without_its_end_stores_nothing(host: IbHost) -> None:
    call = host.bars.ImportBars(import_requests(ASKED, ipc_bytes(BARS)[:-8]), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "does not end as an Arrow IPC stream does" in (failure.details() or "")
    assert not (await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(), timeout=60)).datasets


async def test_more_than_a_call_may_bring_is_refused_early(host: IbHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ib_host.imports.MOST_BYTES", 3_000)
    call = host.bars.ImportBars(import_requests(ASKED, ipc_bytes(BARS)), timeout=60)
    failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "in several calls" in (failure.details() or "")


async def test_a_call_that_is_given_up_stores_nothing_and_leaves_nothing(host: IbHost) -> None:
    half_sent = asyncio.Event()

    async def half() -> AsyncIterator[ib_pb2.ImportBarsRequest]:
        yield ib_pb2.ImportBarsRequest(key=ASKED)
        yield ib_pb2.ImportBarsRequest(arrow_ipc=ipc_bytes(BARS))
        half_sent.set()
        await asyncio.Event().wait()

    def open_spools() -> list[Path]:
        targets = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        return [target for target in targets if "data/imports" in target.as_posix()]

    call = host.bars.ImportBars(half(), timeout=60)
    await half_sent.wait()
    await eventually(open_spools)
    call.cancel()
    await eventually(lambda: not open_spools())
    assert not (await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(), timeout=60)).datasets


async def test_a_dataset_that_another_host_writes_is_busy(tmp_path: Path) -> None:
    store = BarStore(tmp_path, lock_timeout=timedelta(seconds=0.05))
    folder = tmp_path / "data/bars/imported/AAPL-0/1d-trades-rth"
    folder.mkdir(parents=True)
    with FolderLock(folder / "lock", owner="ib-host of box-7"), pytest.raises(ServiceError) as error:
        await BarImports(store, tmp_path / "data/imports").run(import_requests(ASKED, ipc_bytes(BARS)))
    assert error.value.reason == ErrorReason.ERROR_REASON_DATASET_BUSY
    assert "held by ib-host of box-7 (pid" in error.value.message
    assert nothing_left(tmp_path)


async def test_a_folder_that_cannot_be_written_is_told(host: IbHost, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/bars").write_text("in the way")
    call = host.bars.ImportBars(import_requests(ASKED, ipc_bytes(BARS)), timeout=60)
    await refused(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL")
