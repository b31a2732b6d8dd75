"""Bars that reach the gateway's data some time after they have ended: what is not there yet does not count as known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.bars import Bar, BarSize, IntradaySize, Size
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import ib_host, result_of
from tests.support.loaded_bars import Mode, asked, mode_spec, source_rows, stored_rows

MADE_UP = "generated:XYZ?seed=3&days=4&start=2024-03-04&gaps=0"


@pytest.mark.parametrize(
    ("data", "name", "size", "now", "later"),
    [
        (
            *(None, bars_pb2.BAR_SIZE_1_DAY, BarSize.DAY),
            datetime(2013, 2, 27, 21, 5, tzinfo=UTC),
            datetime(2013, 3, 2, tzinfo=UTC),
        ),
        (
            *(MADE_UP, bars_pb2.BAR_SIZE_1_MINUTE, IntradaySize(60)),
            datetime(2024, 3, 5, 16, 0, 2, tzinfo=UTC),
            datetime(2024, 3, 6, 1, tzinfo=UTC),
        ),
        (
            *(MADE_UP, bars_pb2.BAR_SIZE_1_HOUR, IntradaySize(3600)),
            datetime(2024, 3, 5, 21, 1, tzinfo=UTC),
            datetime(2024, 3, 6, 1, tzinfo=UTC),
        ),
    ],
)
@pytest.mark.parametrize("mode", [Mode.MODE_TAIL, Mode.MODE_FULL])
async def test_bars_that_come_late_come_with_the_next_load(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: str | None,
    name: bars_pb2.BarSize.ValueType,
    size: Size,
    now: datetime,
    later: datetime,
    mode: "Mode.Mode.ValueType",
) -> None:
    symbol = "XYZ" if data else "AAPL"
    start = now.replace(hour=0, minute=0, second=0) - timedelta(days=30)
    spec = mode_spec(Mode.MODE_FULL, symbol, start=start, bar_size=name)
    async with FaultyGateway(data=data, now=now) as gateway, ib_host(tmp_path, gateway.address) as host:
        usual = gateway.history.window

        def ten_minutes_late(
            symbol: str, view: Any, duration: Any, *, end: datetime, as_of: datetime
        ) -> tuple[datetime, Sequence[Bar]]:
            return usual(symbol, view, duration, end=min(end, as_of - timedelta(minutes=10)), as_of=as_of)

        with monkeypatch.context() as context:
            context.setattr(gateway.history, "window", ten_minutes_late)
            verdict = result_of(await host.load(spec)).loads[0].verdict
        assert verdict.complete
        assert not verdict.missing_bars
        gateway.move_to(later)
        spec.mode = mode
        load = result_of(await host.load(spec)).loads[0]
        expected = source_rows(gateway, symbol, start, later, size=size)
        assert stored_rows(tmp_path, load.dataset.key) == expected
        before = len(asked(gateway))
        spec.mode = Mode.MODE_FULL
        result_of(await host.load(spec))
        assert len(asked(gateway)) == before  # the market has closed: nothing is on its way any more
