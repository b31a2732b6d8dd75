"""Loads of generated bars of less than a day, over the unmodified client library, into the store."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.bars import IntradaySize
from services.ib_host.replay.sources.choice import open_history
from services.ib_host.replay.sources.intraday import IntradayHistory
from services.ib_host.store.bar_store import BarStore
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import ib_host, load_spec, result_of

DATA: Final = "generated:XYZ?seed=11&days=6&start=2024-03-06&gaps=0.02"
START: Final = datetime(2024, 3, 6, tzinfo=UTC)
END: Final = datetime(2024, 3, 14, tzinfo=UTC)
"""The first day of summer time lies between them."""


@pytest.mark.parametrize(
    ("size", "seconds", "use_rth"),
    [
        (bars_pb2.BAR_SIZE_1_MINUTE, 60, True),
        (bars_pb2.BAR_SIZE_1_MINUTE, 60, False),
        (bars_pb2.BAR_SIZE_5_MINUTES, 300, True),
        (bars_pb2.BAR_SIZE_5_MINUTES, 300, False),
        (bars_pb2.BAR_SIZE_30_MINUTES, 1800, False),
        (bars_pb2.BAR_SIZE_1_HOUR, 3600, True),
        (bars_pb2.BAR_SIZE_1_HOUR, 3600, False),
    ],
)
async def test_stored_bars_are_what_the_generator_says(
    tmp_path: Path, size: bars_pb2.BarSize.ValueType, seconds: int, use_rth: bool
) -> None:
    spec = load_spec("XYZ", start=START, end=END, bar_size=size)
    spec.use_rth = use_rth
    history = open_history(DATA)
    assert isinstance(history, IntradayHistory)
    async with FaultyGateway(data=DATA) as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(spec)).loads[0]
    snapshot = BarStore(tmp_path).open(load.dataset.key)
    assert snapshot is not None
    with snapshot:
        table = pa.concat_tables(snapshot.tables())
    columns = [table.column(name).to_pylist() for name in ("time", "open", "high", "low", "close", "volume", "count")]
    assert list(zip(*columns, strict=True)) == [
        (bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.count)
        for bar in history.bars("XYZ", IntradaySize(seconds), use_rth=use_rth)
    ]
    assert load.dataset.key.source == bars_pb2.SOURCE_REPLAY
