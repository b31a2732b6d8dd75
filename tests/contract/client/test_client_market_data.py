"""Instruments, datasets and bars, through the IB host that the operations service knows."""

from collections.abc import AsyncIterator

import pytest
from ktrdr.host.v1.session_pb2 import HOST_KIND_IB, HOST_KIND_TRAINING
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, Instrument
from ktrdr.ib.v1.ib_pb2 import GetGatewayResponse, StreamBarsRequest
from ktrdr.operations.v1.operations_pb2 import HostRecord
from ktrdr_client import AsyncClient, FailedPrecondition, NotFound, Unavailable

from tests.support.simulated_ib_host import SimulatedMarket, daily_aapl, simulated_ib_host, table_of_bars
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations


@pytest.fixture
async def market() -> AsyncIterator[tuple[SimulatedMarket, AsyncClient, SimulatedRegistry]]:
    market = SimulatedMarket(
        instruments=[Instrument(symbol="AAPL"), Instrument(symbol="AA"), Instrument(symbol="MSFT")],
        datasets=[daily_aapl()] * 5,
        bars=table_of_bars(100),
        gateway=GetGatewayResponse(link=GetGatewayResponse.LINK_UP, source=SOURCE_REPLAY),
    )
    async with (
        simulated_ib_host(market) as host_address,
        simulated_operations() as (registry, address),
        AsyncClient(address) as client,
    ):
        registry.hosts.append(HostRecord(name="gpu", kind=HOST_KIND_TRAINING, address="127.0.0.1:1"))
        registry.hosts.append(
            HostRecord(name="down", kind=HOST_KIND_IB, address="127.0.0.1:1", state=HostRecord.STATE_UNREACHABLE)
        )
        registry.hosts.append(HostRecord(name="ib", kind=HOST_KIND_IB, address=host_address, state=HostRecord.STATE_UP))
        yield market, client, registry


Served = tuple[SimulatedMarket, AsyncClient, SimulatedRegistry]


async def test_instruments_are_found(market: Served) -> None:
    _, client, _ = market
    answer = await client.data.find("AA", security_type="stock")
    assert [each.symbol for each in answer.instruments] == ["AAPL", "AA"]
    assert answer.source == SOURCE_REPLAY


async def test_a_gateway_that_is_away_is_unavailable(market: Served) -> None:
    simulated, client, _ = market
    simulated.gateway = GetGatewayResponse()
    with pytest.raises(Unavailable) as caught:
        await client.data.find("AA")
    assert caught.value.reason == "GATEWAY_UNAVAILABLE"


async def test_datasets_come_over_all_pages(market: Served) -> None:
    _, client, _ = market
    assert len([dataset async for dataset in client.data.datasets()]) == 5
    assert not [dataset async for dataset in client.data.datasets(symbol="MSFT")]


async def test_bars_are_put_together_from_many_messages(market: Served) -> None:
    simulated, client, _ = market
    bars = await client.data.bars("AAPL", "1d", source="replay", start="2000-03-01", end="2000-06-08")
    assert len(bars) == 100
    assert bars.is_replay
    assert bars.table.column("open").to_pylist() == [float(index) for index in range(100)]
    assert str(bars.to_pandas().index[0]) == "2000-03-01 00:00:00+00:00"
    (request,) = simulated.requests
    assert isinstance(request, StreamBarsRequest)
    assert request.end_time.ToJsonString() == "2000-06-09T00:00:00Z"


async def test_missing_bars_come_with_the_command_that_loads_them(market: Served) -> None:
    simulated, client, _ = market
    simulated.bars = None
    with pytest.raises(NotFound, match="ktrdr data load AAPL 1d") as caught:
        await client.data.bars("AAPL", "1d")
    assert caught.value.reason == "DATASET_NOT_FOUND"


async def test_the_gateway_is_told(market: Served) -> None:
    _, client, _ = market
    assert (await client.data.gateway()).link == GetGatewayResponse.LINK_UP


async def test_a_host_can_be_named(market: Served) -> None:
    _, client, _ = market
    with pytest.raises(Unavailable, match="'down'"):
        await client.data.gateway(host="down")
    with pytest.raises(NotFound, match="ktrdr hosts list"):
        await client.data.gateway(host="nope")


async def test_without_an_ib_host_nothing_can_be_asked(market: Served) -> None:
    _, client, registry = market
    del registry.hosts[1:]
    with pytest.raises(FailedPrecondition, match="no IB host"):
        await client.data.gateway()
