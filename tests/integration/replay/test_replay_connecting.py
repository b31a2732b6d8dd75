"""Connecting with the real client library, and the handshake byte by byte."""

import asyncio

import pytest

from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Client, Connect, RawClient
from tests.support.eventually import eventually
from tests.support.free_ports import ReservedPort
from tests.support.gateway_library import NEWEST, library


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("client_id", [0, 7])
async def test_a_client_connects_and_synchronises(
    gateway: ReplayServer, connect: Connect, readonly: bool, client_id: int
) -> None:
    client = await connect(gateway, client_id=client_id, readonly=readonly)
    assert client.ib.isConnected()
    assert client.ib.client.serverVersion() == NEWEST
    assert client.ib.managedAccounts() == ["REPLAY1"]
    assert [*client.ib.positions(), *client.ib.openTrades(), *client.ib.fills()] == []
    assert {(value.tag, value.value) for value in client.ib.accountValues()} >= {("NetLiquidation", "0.00")}
    assert gateway.client_ids == {client_id}
    assert bool(gateway.journal.of(Inbound.OPEN_ORDERS)) is not readonly
    assert bool(gateway.journal.of(Inbound.AUTO_OPEN_ORDERS)) is (client_id == 0)


@pytest.mark.parametrize("version", sorted({157, 163, 164, 166, 174, 176, NEWEST}))
async def test_each_version_is_understood_by_the_client(
    gateway: ReplayServer, connect: Connect, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connect(gateway, max_version=version)
    assert client.ib.client.serverVersion() == version
    contract = library.Stock("IBM", "SMART", "USD")
    [details] = await client.ib.reqContractDetailsAsync(contract)
    assert (details.contract.conId, details.longName, details.stockType) == (
        8314,
        "INTL BUSINESS MACHINES CORP",
        "COMMON",
    )
    assert details.liquidHours.startswith("20130301:0930-20130301:1600;20130302:CLOSED;")
    [sample] = await client.ib.reqMatchingSymbolsAsync("IB")
    assert (sample.contract.symbol, sample.contract.primaryExchange) == ("IBM", "NYSE")
    assert len(await client.bars(contract, "20 Y")) == 3270
    assert await client.bars(contract, "1 D", end="20000101-00:00:00") == []
    assert [code for code, _ in client.refusals] == [162]
    assert [record.message for record in caplog.records if "Decoder" in record.name] == []


async def test_the_notices_say_that_all_farms_are_up(gateway: ReplayServer, connect: Connect) -> None:
    client = await connect(gateway)
    assert [(request_id, code) for request_id, code, _ in client.errors] == [(-1, 2104), (-1, 2106), (-1, 2158)]


async def test_a_client_id_can_be_used_once_at_a_time(gateway: ReplayServer, connect: Connect) -> None:
    first = await connect(gateway, client_id=5)
    second = Client()
    # The library goes on waiting for its timeout.
    connecting = asyncio.create_task(second.ib.connectAsync("127.0.0.1", gateway.port, clientId=5, timeout=600))
    await eventually(lambda: second.errors)
    connecting.cancel()
    await asyncio.wait({connecting})
    assert second.errors == [
        (-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
    ]
    assert first.ib.isConnected()
    await first.disconnect()
    await eventually(lambda: not gateway.client_ids)
    await connect(gateway, client_id=5)


async def test_leaving_frees_the_client_id_also_without_a_goodbye(gateway: ReplayServer, raw: RawClient) -> None:
    await raw.start(client_id=3)
    assert gateway.client_ids == {3}
    raw.writer.transport.abort()
    await eventually(lambda: not gateway.client_ids)


async def test_clients_notice_when_the_gateway_goes_away(connect: Connect) -> None:
    async with ReplayServer(ReplaySettings(port=0, latency_ms=60_000)) as gateway:
        client = await connect(gateway)
        pending = asyncio.create_task(client.bars(library.Stock("AAPL", "SMART", "USD"), "1 Y"))
        await eventually(lambda: gateway.open_queries)
    with pytest.raises(ConnectionError):
        await pending
    assert not client.ib.isConnected()


async def test_the_gateway_can_come_back_on_its_port(connect: Connect) -> None:
    reserved = ReservedPort()
    async with ReplayServer(ReplaySettings(port=reserved.number)) as gateway:
        client = await connect(gateway)
    async with ReplayServer(ReplaySettings(port=reserved.number)) as again:
        await eventually(lambda: not client.ib.isConnected())
        await connect(again)
        assert again.client_ids == {1}


async def test_nothing_is_sent_between_the_version_and_the_start(raw: RawClient) -> None:
    raw.greet()
    assert await raw.receive() == ["176", "20130301 19:00:00 EST"]
    raw.send(49, 1)  # too early: there is no client yet that could be answered
    raw.send(71, 2, 4, "")
    assert await raw.receive() == ["15", "1", "REPLAY1"]
    assert await raw.receive() == ["9", "1", "1"]
    assert [(await raw.receive())[3] for _ in range(3)] == ["2104", "2106", "2158"]
    raw.send(49, 1)
    assert await raw.receive() == ["49", "1", "1362182400"]


@pytest.mark.parametrize(
    ("versions", "agreed"),
    [
        (b"v100..225", "178"),
        (b"v157", "157"),
        (b"v100..170 +PACEAPI", "170"),
        (b"v176..178", "178"),
        (b"v157..176", "176"),
    ],
)
async def test_the_lower_maximum_is_agreed_on(raw: RawClient, versions: bytes, agreed: str) -> None:
    raw.greet(versions)
    assert (await raw.receive())[0] == agreed


@pytest.mark.parametrize("greeting", [b"v100..156", b"v179..225", b"hello", b""])
async def test_a_greeting_without_a_common_version_is_hung_up_on(raw: RawClient, greeting: bytes) -> None:
    raw.greet(greeting)
    assert await raw.rest() == b""


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"API\0\xff\xff\xff\xff"])
async def test_other_protocols_are_hung_up_on(raw: RawClient, noise: bytes) -> None:
    raw.writer.write(noise)
    assert await raw.rest() == b""


async def test_a_start_that_can_not_be_read_is_refused(raw: RawClient) -> None:
    raw.greet()
    await raw.receive()
    raw.send(71, 2, "first", "")
    assert (await raw.receive())[2:4] == ["-1", "320"]
    assert await raw.rest() == b""
