"""The connection's own life: waiting for it, and stopping it, wherever it stands."""

import asyncio

import pytest

from services.common.clock import SystemClock
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.life import ConnectionLife
from services.ib_host.connection.notices import Link
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.requests.open_requests import OpenRequests
from tests.support.eventually import eventually
from tests.support.gateway_connections import connection_to


async def test_whoever_waits_can_be_cancelled_in_the_moment_of_a_change() -> None:
    connection = connection_to(9)
    told: list[str] = []
    waiting = asyncio.create_task(connection.wait_until_up(told.append))
    await eventually(lambda: told)
    connection._announce()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_nobody_listens() -> None:
    connection = connection_to(9)
    await connection.start()
    await eventually(lambda: connection.picture.failures >= 3)
    picture = connection.picture
    assert (picture.link, connection.session) == (Link.CONNECTING, None)
    assert "Nothing listens at 127.0.0.1:9" in picture.problem
    await connection.stop()
    assert connection.link is Link.DISCONNECTED


async def test_it_stops_at_once_in_the_middle_of_a_handshake() -> None:
    connected = asyncio.Event()
    left = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    async with server:
        connection = connection_to(server.sockets[0].getsockname()[1])
        await connection.start()
        await connected.wait()
        async with asyncio.timeout(60):
            await connection.stop()
            await left.wait()


async def test_a_name_that_does_not_exist_is_told() -> None:
    connection = GatewayConnection(
        GatewayAddress("no.such.host.invalid", 4002),
        client_id=1,
        open_requests=OpenRequests(),
        clock=SystemClock(),
        backoff=Backoff(first_seconds=0.02),
        connect_timeout_seconds=5.0,
    )
    await connection.start()
    await eventually(lambda: connection.picture.problem)
    assert "no.such.host.invalid:4002" in connection.picture.problem
    await connection.stop()


async def test_a_fault_that_nobody_expected_does_not_end_the_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, sound = ConnectionLife.connect, asyncio.Event()

    async def faulty(life: ConnectionLife, client_id: int, *, timeout_seconds: float) -> None:
        if not sound.is_set():
            raise LookupError("what the library did not expect")
        await connect(life, client_id, timeout_seconds=timeout_seconds)

    monkeypatch.setattr(ConnectionLife, "connect", faulty)
    async with ReplayServer(ReplaySettings(port=0)) as gateway:
        connection = connection_to(gateway.port)
        await connection.start()
        await eventually(lambda: connection.picture.failures >= 2)
        assert "the IB host's log" in connection.picture.problem
        assert "library" not in connection.picture.problem
        sound.set()
        await eventually(lambda: connection.session)
        assert connection.picture.problem == ""
        await connection.stop()
