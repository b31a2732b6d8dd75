"""The operations service in the test's own event loop, reached over the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr.training.v1 import training_pb2

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.common.clock import Clock
from services.common.errors import error_info, status_of_call
from services.operations.service import OperationsService
from services.operations.settings import OperationsSettings
from tests.support.eventually import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

State = pb.Operation.State
ENDED = (State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED)


class WatchReader:
    """Reads a watch message by message.

    Args:
        call: The stream.
    """

    def __init__(self, call: "grpc.aio.UnaryStreamCall[pb.WatchOperationsRequest, pb.WatchOperationsResponse]") -> None:
        self._call = call

    async def next(self, timeout_seconds: float = PATIENCE_SECONDS) -> pb.WatchOperationsResponse:
        """Return the next message."""
        async with asyncio.timeout(timeout_seconds):
            response = await self._call.read()
        assert isinstance(response, pb.WatchOperationsResponse), "the stream has ended"
        return response

    async def until(self, wanted: Callable[[pb.Operation], bool]) -> pb.Operation:
        """Read on until an operation comes that is wanted."""
        while True:
            for operation in (await self.next()).operations:
                if wanted(operation):
                    return operation

    async def ended(self) -> bool:
        """Wait for the next message; return True if there is none because the server ended the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._call.read() is grpc.aio.EOF


@dataclass
class RegistryServer:
    """A running operations service."""

    stub: "OperationsServiceAsyncStub"
    address: str

    async def get(self, operation_id: str) -> pb.Operation:
        """Return an operation as it is."""
        return await self.stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id), timeout=60)

    async def all(self, filter_text: str = "") -> list[pb.Operation]:
        """Return all operations, newest first."""
        response = await self.stub.ListOperations(pb.ListOperationsRequest(filter=filter_text), timeout=60)
        return list(response.operations)

    async def create(self, **fields: Any) -> pb.Operation:
        """Create an operation, a training unless the fields say otherwise."""
        if "data_load" not in fields:
            fields.setdefault("training", training_spec())
        return await self.stub.CreateOperation(pb.CreateOperationRequest(**fields), timeout=60)

    @asynccontextmanager
    async def watch(self, **fields: Any) -> AsyncIterator["WatchReader"]:
        """Watch while the block runs."""
        call = self.stub.WatchOperations(pb.WatchOperationsRequest(**fields))
        try:
            yield WatchReader(call)
        finally:
            call.cancel()

    async def state_reached(self, operation_id: str, *states: "pb.Operation.State.ValueType") -> pb.Operation:
        """Wait until an operation is in one of these states, and return it."""

        async def probe() -> pb.Operation | None:
            operation = await self.get(operation_id)
            return operation if operation.state in states else None

        found = await eventually(probe)
        assert found is not None
        return found

    async def found(self, session_id: str) -> pb.Operation:
        """Wait until the operation of a session has appeared, and return it."""

        async def probe() -> pb.Operation | None:
            return next((one for one in await self.all() if one.session_id == session_id), None)

        operation = await eventually(probe)
        assert operation is not None
        return operation

    async def up(self, *names: str) -> None:
        """Wait until these hosts have answered."""

        async def probe() -> bool:
            response = await self.stub.ListHosts(pb.ListHostsRequest(), timeout=60)
            answer = {host.name for host in response.hosts if host.state == pb.HostRecord.State.STATE_UP}
            return answer >= set(names)

        await eventually(probe)

    async def points(self, operation_id: str, series: str) -> list[tuple[int, float]]:
        """Return (sequence number, value) of all stored points of a series, in the order of the answer."""
        request = pb.QueryMetricsRequest(operation_id=operation_id, series=[series])
        found: list[tuple[int, float]] = []
        while True:
            response = await self.stub.QueryMetrics(request, timeout=60)
            for history in response.series:
                points = history.points
                count = len(points.values)
                seqs = list(points.seqs) or list(range(points.first_seq, points.first_seq + count))
                found += zip(seqs, points.values, strict=True)
            if not response.next_page_token:
                return found
            request.page_token = response.next_page_token


@asynccontextmanager
async def registry_server(
    home: Path, *hosts: str, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[RegistryServer]:
    """Run the operations service while the block runs.

    Args:
        home: Its home; the same again is a restart.
        *hosts: "NAME=HOST:PORT" of each host.
        clock: The time; the machine's by default.
        **settings: Other settings.
    """
    fast: dict[str, Any] = {
        "port": 0,
        "poll_wait_seconds": 2.0,
        "poll_min_interval_seconds": 0.05,
        "poll_max_interval_seconds": 0.2,
        "create_wait_seconds": 30.0,
        "session_removal_interval_seconds": 0.1,
        "lost_grace_seconds": 0.2,
        "grace_seconds": 0.5,
    }
    configured = OperationsSettings(home=home, hosts=hosts, **(fast | settings))  # type: ignore[arg-type]  # parsed
    service = OperationsService(configured, seed=7)
    async with running_server(service, configured, clock=clock) as server, open_channel(server.address) as channel:
        stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
        yield RegistryServer(stub, server.address)


def training_spec(strategy: str = "name: test") -> training_pb2.TrainingSpec:
    """Return what a training may be asked for; simulated hosts look at nothing in it."""
    return training_pb2.TrainingSpec(strategy=strategy)


def load_spec(symbol: str = "AAPL") -> ib_pb2.DataLoadSpec:
    """Return what a load may be asked for."""
    return ib_pb2.DataLoadSpec(instruments=[bars_pb2.Instrument(symbol=symbol)])


def reason_of_error(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that a failed call gives."""
    status = status_of_call(error)
    info = error_info(status) if status is not None else None
    return info.reason if info is not None else ""
