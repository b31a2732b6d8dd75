"""Bars over the wire: from a real IB host, and from one that misbehaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr_bridge import Bridge, Cancelled, JournalReader, request_stop

from services.common.bootstrap import running_server
from services.common.errors import ServiceError, reason_name
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA
from services.training_host.bars.aggregation import aggregate
from services.training_host.bars.ib_host import TRIES, IbHostBars
from services.training_host.bars.series import COLUMNS
from services.training_host.bars.table import bars_from_table
from services.training_host.strategy.check import load_strategy
from tests.support.datasets import small_strategy
from tests.support.recorded_bars import recorded_bars
from tests.support.trainings import DAY_NS, reference_text

STRATEGY = load_strategy(reference_text())
ANY, TRADES = bars_pb2.SOURCE_UNSPECIFIED, bars_pb2.WHAT_TO_SHOW_TRADES


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge.create(tmp_path / "journal", control=tmp_path / "control") as bridge:
        yield bridge


def key(
    source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_REPLAY,
    symbol: str = "AAPL",
    size: bars_pb2.BarSize.ValueType = bars_pb2.BAR_SIZE_1_DAY,
) -> bars_pb2.DatasetKey:
    return bars_pb2.DatasetKey(
        source=source,
        instrument=bars_pb2.Instrument(
            symbol=symbol,
            contract_id={"AAPL": 265598, "MSFT": 272093}[symbol],
            security_type=bars_pb2.SECURITY_TYPE_STOCK,
            exchange="SMART",
            currency="USD",
        ),
        what_to_show=TRADES,
        use_rth=True,
        bar_size=size,
    )


def recorded_table(symbol: str = "AAPL") -> pa.Table:
    columns = {
        name: list(values)
        for name, values in zip(("time", *COLUMNS), zip(*recorded_bars(symbol), strict=True), strict=True)
    }
    count = len(columns["time"])
    return pa.table({**columns, "wap": columns["close"], "count": [1] * count}, schema=SCHEMA)


@contextlib.asynccontextmanager
async def ib_host(home: Path) -> AsyncIterator[str]:
    """Run a real IB host whose gateway is away: what is stored is served all the same."""
    settings = IbHostSettings(home=home, port=0, gateway="127.0.0.1:1")
    async with running_server(IbHostService(settings), settings) as server:
        yield server.address


async def load(address: str, bridge: Bridge, source: bars_pb2.Source.ValueType = ANY) -> object:
    """Load as a worker does: synchronously, here in a thread beside the server's loop."""
    return await asyncio.to_thread(IbHostBars(address, source, TRADES, bridge, pause_seconds=0.01).load, STRATEGY)


async def test_stored_bars_arrive_as_they_are(tmp_path: Path, bridge: Bridge) -> None:
    BarStore(tmp_path).merge(key(), recorded_table())
    async with ib_host(tmp_path) as address:
        bars = IbHostBars(address, ANY, bars_pb2.WHAT_TO_SHOW_UNSPECIFIED, bridge)
        loaded = await asyncio.to_thread(bars.load, STRATEGY)
    recorded = recorded_bars("AAPL")
    aapl = loaded.series["AAPL", "1d"]
    assert len(aapl) == loaded.count == 3270
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(aapl, name), [getattr(bar, name) for bar in recorded])
    assert [loaded.first_time, loaded.last_time] == [recorded[0].time, recorded[-1].time]
    assert loaded.source == bars_pb2.SOURCE_REPLAY
    assert loaded.origin == f"IB host {address}, dataset version 1"
    with contextlib.closing(JournalReader(tmp_path / "journal")) as reader:
        assert reader.read().progress.step == "3,270 bars received"


def weekly_table(symbol: str) -> pa.Table:
    """Return the weeks of the recorded days as the gateway gives them, and one that was read on its Wednesday."""
    days = bars_from_table(recorded_table(symbol), symbol=symbol, timeframe="1d")
    weeks = aggregate(days, "1w")
    wednesday = weeks.times[300] - 2 * DAY_NS
    times = np.insert(weeks.times, 300, wednesday)
    columns = {name: np.insert(getattr(weeks, name), 300, 7.0) for name in COLUMNS}
    stamps = pa.array(times // 1_000).cast(pa.timestamp("us", "UTC"))
    zeros = [0] * len(times)
    return pa.table({"time": stamps, **columns, "wap": columns["close"], "count": zeros}, schema=SCHEMA)


async def test_each_symbol_and_timeframe_comes_from_its_own_dataset(tmp_path: Path, bridge: Bridge) -> None:
    for symbol in ("AAPL", "MSFT"):
        BarStore(tmp_path).merge(key(symbol=symbol), recorded_table(symbol))
        BarStore(tmp_path).merge(key(symbol=symbol, size=bars_pb2.BAR_SIZE_1_WEEK), weekly_table(symbol))
    strategy = small_strategy(symbols=["MSFT", "AAPL"], timeframes=["1d", "1w"])
    async with ib_host(tmp_path) as address:
        loaded = await asyncio.to_thread(IbHostBars(address, ANY, TRADES, bridge).load, strategy)
    assert list(loaded.series) == [("MSFT", "1d"), ("MSFT", "1w"), ("AAPL", "1d"), ("AAPL", "1w")]
    for symbol in strategy.symbols:
        days, weeks = loaded.series[symbol, "1d"], loaded.series[symbol, "1w"]
        assert days.close.tolist() == [bar.close for bar in recorded_bars(symbol)]
        # The Wednesday of a week that has a Friday too is not another week.
        assert weeks.fingerprint() == aggregate(days, "1w").fingerprint()
    assert [(use.name, use.bars) for use in loaded.datasets] == [
        (f"{symbol} {timeframe} TRADES RTH (REPLAY)", len(loaded.series[symbol, timeframe]))
        for symbol, timeframe in loaded.series
    ]
    assert len({use.fingerprint for use in loaded.datasets}) == 4
    assert loaded.origin == f"IB host {address}, 4 datasets"
    with contextlib.closing(JournalReader(tmp_path / "journal")) as reader:
        assert reader.read().progress.step == "7,899 bars received: AAPL 1w, series 4 of 4"


async def test_all_that_is_missing_is_told_at_once(tmp_path: Path, bridge: Bridge) -> None:
    BarStore(tmp_path).merge(key(symbol="MSFT"), recorded_table("MSFT"))
    strategy = small_strategy(symbols=["AAPL", "MSFT", "BRK B"], timeframes=["1d", "1w"])
    midpoint = bars_pb2.WHAT_TO_SHOW_MIDPOINT
    commands = (
        "ktrdr data load AAPL 'BRK B' 1d --start 1970-01-01 --end 2013-03-01 && "
        "ktrdr data load AAPL MSFT 'BRK B' 1w --start 1970-01-01 --end 2013-03-01"
    )
    async with ib_host(tmp_path) as address:
        with pytest.raises(ServiceError) as caught:
            await asyncio.to_thread(IbHostBars(address, ANY, TRADES, bridge).load, strategy)
        with pytest.raises(ServiceError, match="--what midpoint"):
            await asyncio.to_thread(IbHostBars(address, ANY, midpoint, bridge).load, strategy)
    assert reason_name(caught.value.reason) == "BARS_MISSING"
    assert caught.value.parameters["command"] == commands
    assert "Missing are AAPL 1d; AAPL 1w; MSFT 1w; BRK B 1d; BRK B 1w. Load them with" in caught.value.message


async def test_a_bar_that_may_have_gone_on_when_it_was_stored_is_left_out(tmp_path: Path, bridge: Bridge) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=3), today - timedelta(days=2), today]
    columns = {name: [1.0, 2.0, 3.0] for name in (*COLUMNS, "wap")}
    BarStore(tmp_path).merge(key(), pa.table({"time": days, **columns, "count": [1, 1, 1]}, schema=SCHEMA))
    recent = small_strategy(training_data={"end_date": str(today.date())})
    async with ib_host(tmp_path) as address:
        loaded = await asyncio.to_thread(IbHostBars(address, ANY, TRADES, bridge).load, recent)
    assert loaded.series["AAPL", "1d"].close.tolist() == [1.0, 2.0]


async def test_recorded_and_real_series_are_not_mixed(tmp_path: Path, bridge: Bridge) -> None:
    BarStore(tmp_path).merge(key(bars_pb2.SOURCE_REPLAY, "AAPL"), recorded_table())
    BarStore(tmp_path).merge(key(bars_pb2.SOURCE_IB, "MSFT"), recorded_table("MSFT"))
    strategy = small_strategy(symbols=["AAPL", "MSFT"])
    async with ib_host(tmp_path) as address:
        with pytest.raises(ServiceError, match="AAPL 1d is recorded, MSFT 1d is real") as caught:
            await asyncio.to_thread(IbHostBars(address, ANY, TRADES, bridge).load, strategy)
    assert reason_name(caught.value.reason) == "DATASET_AMBIGUOUS"


async def test_bars_that_are_not_stored_are_missing_with_the_command(tmp_path: Path, bridge: Bridge) -> None:
    async with ib_host(tmp_path) as address:
        with pytest.raises(ServiceError) as caught:
            await load(address, bridge)
    assert reason_name(caught.value.reason) == "BARS_MISSING"
    assert "ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01" in caught.value.message


async def test_bars_outside_the_range_are_missing_and_told(tmp_path: Path, bridge: Bridge) -> None:
    BarStore(tmp_path).merge(key(), recorded_table())
    late = load_strategy(
        reference_text(), {"training_data.start_date": '"2014-01-01"', "training_data.end_date": '"2015-01-01"'}
    )
    async with ib_host(tmp_path) as address:
        with pytest.raises(ServiceError) as caught:
            await asyncio.to_thread(IbHostBars(address, ANY, TRADES, bridge).load, late)
    assert reason_name(caught.value.reason) == "BARS_MISSING"
    assert "3270 bars from 2000-03-01 to 2013-03-01" in caught.value.message


async def test_real_and_recorded_bars_are_never_guessed_between(tmp_path: Path, bridge: Bridge) -> None:
    for source in (bars_pb2.SOURCE_REPLAY, bars_pb2.SOURCE_IB):
        BarStore(tmp_path).merge(key(source), recorded_table())
    async with ib_host(tmp_path) as address:
        with pytest.raises(ServiceError) as caught:
            await load(address, bridge)
        assert reason_name(caught.value.reason) == "DATASET_AMBIGUOUS"
        assert await load(address, bridge, bars_pb2.SOURCE_IB)


Answer = Callable[[grpc.ServicerContext], Iterator[ib_pb2.StreamBarsResponse]]


class ScriptedIbHost:
    """Answers each call of StreamBars with the next of some scripts; the last one stays."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls = 0

    def stream_bars(
        self, _: ib_pb2.StreamBarsRequest, context: grpc.ServicerContext
    ) -> Iterator[ib_pb2.StreamBarsResponse]:
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        return answer(context)


@contextlib.contextmanager
def scripted(*answers: Answer) -> Iterator[tuple[str, ScriptedIbHost]]:
    host = ScriptedIbHost(*answers)
    method = grpc.unary_stream_rpc_method_handler(
        host.stream_bars, ib_pb2.StreamBarsRequest.FromString, ib_pb2.StreamBarsResponse.SerializeToString
    )
    handler = grpc.method_handlers_generic_handler("ktrdr.ib.v1.IbHostService", {"StreamBars": method})
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}", host
        finally:
            server.stop(0).wait()


def stream_of_bars() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_table(recorded_table())
    return bytes(sink.getvalue().to_pybytes())


def good(_: grpc.ServicerContext) -> Iterator[ib_pb2.StreamBarsResponse]:
    content = stream_of_bars()
    yield ib_pb2.StreamBarsResponse(dataset=bars_pb2.Dataset(key=key(), version=3), arrow_ipc=content[:5000], rows=1000)
    yield ib_pb2.StreamBarsResponse(arrow_ipc=content[5000:], rows=2270)


def breaking(context: grpc.ServicerContext) -> Iterator[ib_pb2.StreamBarsResponse]:
    yield next(good(context))
    context.abort(grpc.StatusCode.UNAVAILABLE, "going down")


def garbled(context: grpc.ServicerContext) -> Iterator[ib_pb2.StreamBarsResponse]:
    first = next(good(context))
    yield ib_pb2.StreamBarsResponse(dataset=first.dataset, arrow_ipc=b"not arrow", rows=1)


def refusing(context: grpc.ServicerContext) -> Iterator[ib_pb2.StreamBarsResponse]:
    if context.is_active():
        context.abort(grpc.StatusCode.INTERNAL, "private text")
    yield ib_pb2.StreamBarsResponse()


def scripted_load(address: str, bridge: Bridge) -> object:
    return IbHostBars(address, ANY, TRADES, bridge, pause_seconds=0.01).load(STRATEGY).fingerprint()


def test_only_the_rest_is_read_again(bridge: Bridge) -> None:
    strategy = small_strategy(symbols=["AAPL", "MSFT", "IBM"])
    with scripted(good, breaking, good) as (address, host):
        loaded = IbHostBars(address, ANY, TRADES, bridge, pause_seconds=0.01).load(strategy)
        assert host.calls == 4  # three series, and the second one twice
    assert [len(bars) for bars in loaded.series.values()] == [3270] * 3


def test_a_stream_that_breaks_is_read_again_from_its_beginning(bridge: Bridge) -> None:
    with scripted(good) as (address, _):
        whole = scripted_load(address, bridge)
    with scripted(breaking, breaking, good) as (address, host):
        assert scripted_load(address, bridge) == whole
        assert host.calls == 3


@pytest.mark.parametrize(
    ("answer", "calls", "said"),
    [(breaking, TRIES, "UNAVAILABLE"), (refusing, 1, "INTERNAL"), (garbled, 1, "something other than bars")],
)
def test_what_stays_broken_is_a_source_that_cannot_be_read(
    bridge: Bridge, answer: Answer, calls: int, said: str
) -> None:
    with scripted(answer) as (address, host), pytest.raises(ServiceError) as caught:
        scripted_load(address, bridge)
    assert caught.value.reason == ErrorReason.ERROR_REASON_BAR_SOURCE_UNAVAILABLE
    assert said in caught.value.message
    assert "private text" not in caught.value.message
    assert host.calls == calls


def test_a_request_to_stop_ends_the_stream(bridge: Bridge, tmp_path: Path) -> None:
    def stopping(context: grpc.ServicerContext) -> Iterator[ib_pb2.StreamBarsResponse]:
        yield next(good(context))
        request_stop(tmp_path / "control", reason="not now")
        while context.is_active():
            yield ib_pb2.StreamBarsResponse(rows=1)

    with scripted(stopping) as (address, _), pytest.raises(Cancelled, match="not now"):
        scripted_load(address, bridge)
