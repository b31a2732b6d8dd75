"""The system under fire: host and operations as processes, and calls that go on until they are answered."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr.training.v1 import training_pb2_grpc

from services.common.channel import client_options
from services.host.folder import SessionFolder
from tests.support.host_service import end_session_processes
from tests.support.kills.forked_service import ForkedService
from tests.support.kills.template import Template

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.host.v1.host_pb2_grpc import HostServiceAsyncStub
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub
    from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceAsyncStub

T = TypeVar("T")
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
RETRY_SECONDS = 0.02


async def answered(call: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: the service may be away, or be killed before it answers."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() not in PASSING:
                raise
        await asyncio.sleep(RETRY_SECONDS)


@dataclass
class World:
    """What runs.

    Attributes:
        home: Folder of everything.
        host: The training host.
        operations: The registry.
        sessions: Calls to HostService.
        trainings: Calls to TrainingHostService.
        registry: Calls to OperationsService.
        host_uid: The host's identity.
        turn: Held by whoever kills and starts services.
        strikes: How often each service was killed.
    """

    home: Path
    host: ForkedService
    operations: ForkedService
    sessions: "HostServiceAsyncStub"
    trainings: "TrainingHostServiceAsyncStub"
    registry: "OperationsServiceAsyncStub"
    host_uid: str = ""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    strikes: Counter[str] = field(default_factory=Counter)

    def folder(self, session_id: str) -> SessionFolder:
        """Return a session's folder."""
        return SessionFolder(self.home / "training-host" / "sessions" / session_id)

    @property
    def ledgers(self) -> Path:
        """Folder of all ledgers."""
        return self.home / "ledgers"

    def services(self) -> dict[str, ForkedService]:
        """Return the services by name."""
        return {each.service: each for each in (self.host, self.operations)}


@contextlib.asynccontextmanager
async def running_world(home: Path, *, slots: int) -> AsyncIterator[World]:
    """Run host and operations; whatever is left of them and of their workers is ended."""
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    with Template() as template:
        host = ForkedService(template, "training-host", home, ["--slots", str(slots), "--queue-limit", "10000"])
        await host.start()
        flags = ["--host", f"box={host.address}", "--poll-min-interval-seconds", "0.1", "--poll-wait-seconds", "1"]
        operations = ForkedService(template, "operations", home, flags)
        try:
            await operations.start()
            async with _channel(host.address) as to_host, _channel(operations.address) as to_registry:
                yield await _connected(home, host, operations, to_host, to_registry)
        except BaseException as error:
            for service in (host, operations):
                error.add_note(f"--- {service.service}\n{service.tail()}")
            raise
        finally:
            await operations.kill()
            await host.kill()
            await asyncio.to_thread(end_session_processes, home)


async def _connected(
    home: Path,
    host: ForkedService,
    operations: ForkedService,
    to_host: grpc.aio.Channel,
    to_registry: grpc.aio.Channel,
) -> World:
    world = World(
        home,
        host,
        operations,
        cast("HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(to_host)),
        cast("TrainingHostServiceAsyncStub", training_pb2_grpc.TrainingHostServiceStub(to_host)),
        cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(to_registry)),
    )
    described = await answered(lambda: world.sessions.GetHost(host_pb2.GetHostRequest(), timeout=60))
    world.host_uid = described.host_uid
    return world


def _channel(address: str) -> grpc.aio.Channel:
    """Open a channel that comes back at once when the server does."""
    patient = dict(client_options())
    # The least one stays: it is also how long a connection may take, which on a busy machine is not little.
    patient |= {f"grpc.{which}_reconnect_backoff_ms": 20 for which in ("initial", "max")}
    return grpc.aio.insecure_channel(address, options=list(patient.items()))
