"""Loads over the unmodified client library, TCP and the replay gateway, into the store."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.store.bar_store import BarStore
from tests.support.ib_host import ib_host, load_spec, result_of
from tests.support.recorded_bars import recorded_bars

PRICES = ("open", "high", "low", "close", "volume")


def replay(port: int = 0, **settings: int) -> ReplayServer:
    return ReplayServer(ReplaySettings(port=port, **settings))  # type: ignore[arg-type]  # whole numbers only


def stored_bars(home: Path, key: bars_pb2.DatasetKey) -> list[tuple[object, ...]]:
    snapshot = BarStore(home).open(key)
    assert snapshot is not None
    with snapshot:
        table = pa.concat_tables(snapshot.tables())
    columns = [table.column(name).to_pylist() for name in ("time", *PRICES)]
    return list(zip(*columns, strict=True))


async def test_stored_bars_equal_the_split_adjusted_source_bar_for_bar(tmp_path: Path) -> None:
    async with replay() as gateway, ib_host(tmp_path, gateway.address) as host:
        result = result_of(await host.load(load_spec("AAPL")))
    load = result.loads[0]
    assert result.source == bars_pb2.SOURCE_REPLAY
    assert (load.received_rows, load.new_rows, load.range_rows, load.dataset.rows) == (3270, 3270, 3270, 3270)
    assert (load.done_chunks, load.empty_chunks) == (14, 0)
    assert load.range_first_bar_time.ToDatetime(UTC) == datetime(2000, 3, 1, tzinfo=UTC)
    assert load.range_last_bar_time.ToDatetime(UTC) == datetime(2013, 3, 1, tzinfo=UTC)
    expected = [tuple(bar) for bar in recorded_bars("AAPL")]
    assert stored_bars(tmp_path, load.dataset.key) == expected
