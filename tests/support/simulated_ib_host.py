"""An IB host that has what a test gives it: a real grpc.aio server over plain messages."""

# ruff: noqa: N802 - the contract names the methods

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from tests.support.simulated_operations import refuse, rich_status


def table_of_bars(count: int) -> pa.Table:
    """Return daily bars from 2000-03-01 on: opens 0, 1, 2, …"""
    first = datetime(2000, 3, 1, tzinfo=UTC)
    opens = [float(index) for index in range(count)]
    prices = {name: pa.array(opens) for name in ("open", "high", "low", "close", "volume", "wap")}
    times = pa.array([first + timedelta(days=index) for index in range(count)], pa.timestamp("us", "UTC"))
    return pa.table({"time": times, **prices, "count": pa.array([0] * count, pa.int64())})


def daily_aapl() -> bars_pb2.Dataset:
    """Return a dataset of replayed daily bars."""
    dataset = bars_pb2.Dataset(
        key=bars_pb2.DatasetKey(
            source=bars_pb2.SOURCE_REPLAY,
            instrument=bars_pb2.Instrument(symbol="AAPL", currency="USD"),
            what_to_show=bars_pb2.WHAT_TO_SHOW_TRADES,
            use_rth=True,
            bar_size=bars_pb2.BAR_SIZE_1_DAY,
        ),
        rows=100,
        version=1,
    )
    dataset.first_bar_time.FromJsonString("2000-03-01T00:00:00Z")
    dataset.last_bar_time.FromJsonString("2000-06-08T00:00:00Z")
    return dataset


@dataclass
class SimulatedMarket:
    """What the simulated host has."""

    instruments: list[bars_pb2.Instrument] = field(default_factory=list)
    datasets: list[bars_pb2.Dataset] = field(default_factory=list)
    bars: pa.Table | None = None
    gateway: ib_pb2.GetGatewayResponse = field(default_factory=ib_pb2.GetGatewayResponse)
    requests: list[Any] = field(default_factory=list)
    piece_bytes: int = 1000
    broken_after: int | None = None
    """The stream of bars ends with an error after so many pieces."""
    silent_after: int | None = None
    """The stream of bars says no more after so many pieces, and does not end."""
    page: int = 2


class SimulatedIbHost(ib_pb2_grpc.IbHostServiceServicer):
    """The servicer over a `SimulatedMarket`."""

    def __init__(self, market: SimulatedMarket) -> None:
        self.market = market

    async def FindInstruments(
        self, request: ib_pb2.FindInstrumentsRequest, context: Any
    ) -> ib_pb2.FindInstrumentsResponse:
        self.market.requests.append(request)
        if not self.market.gateway.link:
            message = "there is no connection to the gateway"
            await refuse(context, rich_status(grpc.StatusCode.UNAVAILABLE, "GATEWAY_UNAVAILABLE", message))
        found = [each for each in self.market.instruments if each.symbol.startswith(request.pattern)]
        return ib_pb2.FindInstrumentsResponse(instruments=found, source=bars_pb2.SOURCE_REPLAY)

    async def ListDatasets(self, request: ib_pb2.ListDatasetsRequest, context: Any) -> ib_pb2.ListDatasetsResponse:  # noqa: ARG002 - gRPC's signature
        found = [each for each in self.market.datasets if request.symbol in {"", each.key.instrument.symbol}]
        start = int(request.page_token or 0)
        end = start + self.market.page
        return ib_pb2.ListDatasetsResponse(
            datasets=found[start:end], next_page_token=str(end) if end < len(found) else ""
        )

    async def StreamBars(
        self, request: ib_pb2.StreamBarsRequest, context: Any
    ) -> AsyncIterator[ib_pb2.StreamBarsResponse]:
        self.market.requests.append(request)
        if self.market.bars is None:
            message = "there are no such bars; load them: ktrdr data load AAPL 1d --start 2000-03-01"
            await refuse(context, rich_status(grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND", message))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.market.bars.schema) as writer:
            writer.write_table(self.market.bars)
        content = sink.getvalue().to_pybytes()
        size = self.market.piece_bytes
        for start in range(0, len(content), size):
            piece = content[start : start + size]
            yield ib_pb2.StreamBarsResponse(dataset=None if start else daily_aapl(), arrow_ipc=piece)
            if self.market.broken_after == start // size:
                status = rich_status(grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT", "the file is damaged")
                await refuse(context, status)
            if self.market.silent_after == start // size:
                await asyncio.Event().wait()

    async def GetGateway(self, request: ib_pb2.GetGatewayRequest, context: Any) -> ib_pb2.GetGatewayResponse:  # noqa: ARG002 - gRPC's signature
        return self.market.gateway


@asynccontextmanager
async def simulated_ib_host(market: SimulatedMarket) -> AsyncIterator[str]:
    """Serve a market; yields the address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    ib_pb2_grpc.add_IbHostServiceServicer_to_server(SimulatedIbHost(market), server)  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
