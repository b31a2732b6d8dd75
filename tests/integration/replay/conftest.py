"""A replay gateway, and unmodified clients of it."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.ib_host.replay.framing import encode_frame
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.support.eventually import eventually, eventually_sync
from tests.support.gateway_library import NEWEST, library


@dataclass
class Client:
    """A client and what it was told.

    Attributes:
        ib: the unmodified library.
        errors: (request id, code, text) of everything that came as message 4.
    """

    ib: Any = field(default_factory=library.IB)
    errors: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ib.errorEvent += self._told

    @property
    def refusals(self) -> list[tuple[int, str]]:
        """Code and text of what came for requests."""
        return [(code, text) for request_id, code, text in self.errors if request_id != -1]

    async def bars(
        self, contract: Any, duration: str, size: str = "1 day", what: str = "TRADES", end: str = ""
    ) -> list[Any]:
        """Ask for bars; an empty list when the request was refused."""
        bars = await self.ib.reqHistoricalDataAsync(
            contract,
            endDateTime=end,
            durationStr=duration,
            barSizeSetting=size,
            whatToShow=what,
            useRTH=True,
            formatDate=2,
        )
        return list(bars)

    def _told(self, request_id: int, code: int, text: str, _contract: Any) -> None:
        self.errors.append((request_id, code, text))
        if code == 321:
            self.ib.wrapper._endReq(request_id)  # ib_async takes it for a warning, and would wait for ever

    async def disconnect(self) -> None:
        """Leave, and wait until the socket is closed."""
        self.ib.disconnect()
        await eventually(lambda: not self.ib.client.conn.isConnected())


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def gateway() -> AsyncIterator[ReplayServer]:
    """A gateway on a free port, with default settings."""
    async with ReplayServer(ReplaySettings(port=0)) as server:
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect clients to a gateway; all are disconnected afterwards."""
    clients: list[Client] = []

    async def connect(
        gateway: ReplayServer, *, client_id: int = 1, readonly: bool = True, max_version: int = NEWEST
    ) -> Client:
        client = Client()
        clients.append(client)
        client.ib.client.MaxClientVersion = max_version
        await client.ib.connectAsync("127.0.0.1", gateway.port, clientId=client_id, readonly=readonly, timeout=60)
        return client

    yield connect
    for client in clients:
        await client.disconnect()


class RawClient:
    """Speaks the protocol byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def greet(self, versions: bytes = b"v157..176") -> None:
        """Send the greeting."""
        self.writer.write(b"API\0" + len(versions).to_bytes(4, "big") + versions)

    def send(self, *fields: object) -> None:
        """Send one frame."""
        self.writer.write(encode_frame([str(field) for field in fields]))

    async def receive(self) -> list[str]:
        """Read one frame."""
        length = int.from_bytes(await self.reader.readexactly(4), "big")
        return (await self.reader.readexactly(length)).decode().split("\0")[:-1]

    async def start(self, client_id: int = 9) -> None:
        """Shake hands, start, and take the gateway's opening messages."""
        self.greet()
        await self.receive()
        self.send(71, 2, client_id, "")
        for _ in range(5):
            await self.receive()

    async def rest(self) -> bytes:
        """Read until the gateway closes the connection."""
        return await self.reader.read()


@pytest.fixture
async def raw(gateway: ReplayServer) -> AsyncIterator[RawClient]:
    """A connection to the gateway on which nothing has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    yield RawClient(reader, writer)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


Start = Callable[..., subprocess.Popen[str]]
"""Starts a gateway as a process, with flags."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start gateways; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*flags: str, pass_fds: Sequence[int] = ()) -> subprocess.Popen[str]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("KTRDR_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ib_host.replay", "--home", str(tmp_path), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
            env={**variables, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until_ready(path: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a ready file, and return what is in it."""
    eventually_sync(lambda: path.exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def dial(address: str) -> socket.socket:
    """Connect to HOST:PORT."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)
