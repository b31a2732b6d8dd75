"""Damaged files of a dataset: the load that the error names brings their bars back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.loading.repair import Repair
from services.ib_host.store.bar_store import BarStore
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import IbHost, ib_host, load_spec, reason_of_session, result_of
from tests.support.store_calls import streamed, table_of

DAILY = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
START, END = datetime(2010, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[IbHost]:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as running:
        yield running


@pytest.mark.parametrize(
    ("pattern", "start", "end"),
    [
        ("2011-*.parquet", datetime(2011, 1, 3, tzinfo=UTC), datetime(2011, 12, 31, tzinfo=UTC)),
        ("manifest.json", START, END),
    ],
)
async def test_a_load_with_reload_brings_back_what_was_damaged(
    host: IbHost, tmp_path: Path, pattern: str, start: datetime, end: datetime
) -> None:
    dataset = result_of(await host.load(load_spec("AAPL", start=START, end=END))).loads[0].dataset
    whole = table_of(await streamed(host, key=DAILY))
    path = next(BarStore(tmp_path).folder(dataset.key).glob(pattern))
    path.write_bytes(path.read_bytes()[:100])
    plain = load_spec("AAPL", start=start, end=end)
    assert reason_of_session(await host.load(plain)) == "STORE_CORRUPT"
    again = load_spec("AAPL", start=start, end=end)
    again.reload = True
    result_of(await host.load(again))
    assert table_of(await streamed(host, key=DAILY)).equals(whole)
    assert path.with_name(f"{path.name}.damaged").exists()


async def test_adjusted_bars_come_back_too(host: IbHost, tmp_path: Path) -> None:
    spec = load_spec("AAPL", start=START, end=END)
    spec.mode, spec.what_to_show = ib_pb2.DataLoadSpec.MODE_FULL, bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST
    spec.ClearField("start_time")
    spec.ClearField("end_time")
    dataset = result_of(await host.load(spec)).loads[0].dataset
    adjusted = bars_pb2.DatasetKey(what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST)
    adjusted.MergeFrom(DAILY)
    whole = table_of(await streamed(host, key=adjusted))
    path = next(BarStore(tmp_path).folder(dataset.key).glob("2011-*.parquet"))
    path.write_bytes(b"rubbish")
    spec.reload = True
    result_of(await host.load(spec))
    assert table_of(await streamed(host, key=adjusted)).equals(whole)


async def test_damaged_bars_of_a_repair_come_back_too(host: IbHost, tmp_path: Path) -> None:
    dataset = result_of(await host.load(load_spec("AAPL", start=START, end=END))).loads[0].dataset
    whole = table_of(await streamed(host, key=DAILY))
    store = BarStore(tmp_path)
    repair = Repair.begin(store, dataset.key, bars_pb2.Revision(price_ratio=1.0))
    repair.store.merge(dataset.key, whole.slice(400, 20))
    for path in repair.store.folder(dataset.key).glob("*.parquet"):
        path.write_bytes(b"rubbish")
    spec = load_spec("AAPL", start=START, end=END)
    assert reason_of_session(await host.load(spec)) == "STORE_CORRUPT"
    spec.reload = True
    result_of(await host.load(spec))
    assert table_of(await streamed(host, key=DAILY)).equals(whole)
    assert Repair.pending(store, dataset.key) is None
