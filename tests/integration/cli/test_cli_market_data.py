"""`ktrdr data` and `ktrdr gateway` as processes against a served IB host."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import HOST_KIND_IB
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, Instrument
from ktrdr.ib.v1.ib_pb2 import GetGatewayResponse
from ktrdr.operations.v1.operations_pb2 import HostRecord

from tests.support.ktrdr_command import Ktrdr
from tests.support.simulated_ib_host import SimulatedMarket, daily_aapl, simulated_ib_host, table_of_bars
from tests.support.simulated_operations import simulated_operations


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[tuple[SimulatedMarket, Ktrdr]]:
    market = SimulatedMarket(
        instruments=[Instrument(symbol="AAPL", contract_id=265598, long_name="APPLE INC")],
        datasets=[daily_aapl()],
        bars=table_of_bars(100),
        gateway=GetGatewayResponse(link=GetGatewayResponse.LINK_UP, source=SOURCE_REPLAY, address="g:4102"),
    )
    async with simulated_ib_host(market) as host_address, simulated_operations() as (registry, address):
        registry.hosts.append(HostRecord(name="ib", kind=HOST_KIND_IB, address=host_address, state=HostRecord.STATE_UP))
        yield market, Ktrdr(address, tmp_path)


async def test_replay_is_said_wherever_bars_are_shown(market: tuple[SimulatedMarket, Ktrdr]) -> None:
    _, ktrdr = market
    outcomes = await asyncio.gather(
        ktrdr("data", "find", "AA"), ktrdr("data", "list"), ktrdr("data", "show", "aapl"), ktrdr("gateway"),
        ktrdr("data", "show", "AAPL", "1d", "-o", "jsonl"),
    )  # fmt: skip
    for outcome in outcomes:
        assert outcome.code == 0
        assert "REPLAY" in outcome.out + outcome.err


async def test_bars_as_table_and_as_data(market: tuple[SimulatedMarket, Ktrdr]) -> None:
    _, ktrdr = market
    table, as_csv, as_json = await asyncio.gather(
        ktrdr("data", "show", "AAPL", "1d"),
        ktrdr("data", "show", "AAPL", "1d", "-o", "csv"),
        ktrdr("data", "show", "AAPL", "1d", "-o", "json", "--limit", "2"),
    )
    assert "the last 20 of 100 bars" in table.out
    assert len(table.out.splitlines()) == 22
    rows = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert len(rows) == 100
    assert (rows[0]["time"], rows[0]["open"], rows[0]["source"]) == ("2000-03-01", "0.0", "REPLAY")
    assert [bar["open"] for bar in json.loads(as_json.out)["bars"]] == [98.0, 99.0]


async def test_what_is_stored_is_listed(market: tuple[SimulatedMarket, Ktrdr]) -> None:
    simulated, ktrdr = market
    listed = await ktrdr("data", "list", "AAPL", "-o", "json")
    (dataset,) = json.loads(listed.out)["datasets"]
    assert dataset["key"]["source"] == "SOURCE_REPLAY"
    simulated.datasets = []
    assert "ktrdr data load AAPL 1d" in (await ktrdr("data", "list")).err


async def test_missing_bars_are_refused_with_the_command_that_loads_them(market: tuple[SimulatedMarket, Ktrdr]) -> None:
    simulated, ktrdr = market
    simulated.bars = None
    outcome = await ktrdr("data", "show", "AAPL", "1d")
    assert outcome.code == 1
    assert "ktrdr data load AAPL 1d" in outcome.err


async def test_a_gateway_that_is_away_is_told(market: tuple[SimulatedMarket, Ktrdr]) -> None:
    simulated, ktrdr = market
    simulated.gateway = GetGatewayResponse(
        link=GetGatewayResponse.LINK_DISCONNECTED, address="g:4002", problem="connection refused: is TWS running?"
    )
    told, as_data = await asyncio.gather(ktrdr("gateway"), ktrdr("gateway", "-o", "json"))
    assert told.code == as_data.code == 5
    assert "is TWS running?" in told.out
    assert json.loads(as_data.out)["link"] == "LINK_DISCONNECTED"
    simulated.gateway = GetGatewayResponse()
    assert (await ktrdr("data", "find", "AA")).code == 5
