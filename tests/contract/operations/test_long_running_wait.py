"""google.longrunning.Operations.WaitOperation over the wire, and what grpcurl and reflection see of the service."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.channel import open_channel
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@dataclass
class Served:
    registry: RegistryServer
    host: SimulatedHost
    stub: Any
    operation: pb.Operation

    @property
    def name(self) -> str:
        return f"operations/{self.operation.id}"

    def wait(self, name: str | None = None, *, seconds: float | None = None, deadline_seconds: float = 20) -> Any:
        request = operations_pb2.WaitOperationRequest(name=self.name if name is None else name)
        if seconds is not None:
            request.timeout.FromTimedelta(timedelta(seconds=seconds))
        return self.stub.WaitOperation(request, timeout=deadline_seconds)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu-1={host.address}", watch_limit=2) as registry,
        open_channel(registry.address) as channel,
    ):
        operation = await registry.create()
        await registry.state_reached(operation.id, State.STATE_RUNNING)
        yield Served(registry, host, operations_pb2_grpc.OperationsStub(channel), operation)


async def test_a_wait_ends_with_the_work(served: Served) -> None:
    waiting = asyncio.ensure_future(served.wait())
    polls = served.host.polls
    await eventually(lambda: served.host.polls > polls)
    assert not waiting.done()
    served.host.finish(f"{served.operation.id}-1")
    told = await waiting
    assert told.done
    assert told.name == served.name
    assert (await served.wait(f"{served.name}@1")).name == f"{served.name}@1"


async def test_a_wait_that_is_over_tells_how_it_stands(served: Served) -> None:
    told = await served.wait(seconds=0.1)
    assert not told.done
    metadata = pb.Operation()
    assert told.metadata.Unpack(metadata)
    assert metadata.state == State.STATE_RUNNING
    assert not (await served.wait(seconds=0)).done


async def test_a_wait_answers_before_its_deadline(served: Served) -> None:
    assert not (await served.wait(deadline_seconds=0.8)).done
    assert not (await served.wait(seconds=60, deadline_seconds=0.8)).done


async def test_a_wait_for_what_is_not_there_is_not_found(served: Served) -> None:
    for name, reason in (
        ("operations/000000000000", "OPERATION_NOT_FOUND"),
        (f"{served.name}@2", "OPERATION_NOT_FOUND"),
        (served.operation.id, "INVALID_REQUEST"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.wait(name)
        assert reason_of_error(caught.value) == reason


async def test_those_who_wait_are_limited_and_leave_when_their_client_goes(served: Served) -> None:
    calls = [served.wait(), served.wait()]

    async def refused() -> bool:
        try:
            await served.wait(seconds=0)
        except grpc.aio.AioRpcError as error:
            return reason_of_error(error) == "TOO_MANY_WATCHES"
        return False

    async def allowed() -> bool:
        return not await refused()

    await eventually(refused)
    for call in calls:
        call.cancel()
    await eventually(allowed)


async def test_waits_end_when_the_server_stops(tmp_path: Path) -> None:
    async with simulated_host() as host, asyncio.TaskGroup() as tasks:
        async with registry_server(tmp_path, f"gpu-1={host.address}") as registry:
            operation = await registry.create()
            await registry.state_reached(operation.id, State.STATE_RUNNING)
            channel = open_channel(registry.address)
            stub = operations_pb2_grpc.OperationsStub(channel)
            request = operations_pb2.WaitOperationRequest(name=f"operations/{operation.id}")
            waiting = tasks.create_task(_answer(stub, request))
            polls = host.polls
            await eventually(lambda: host.polls > polls + 2)
        assert not (await waiting).done
        await channel.close()


async def _answer(stub: Any, request: Any) -> Any:
    return await stub.WaitOperation(request, timeout=60)


async def test_the_service_is_described_by_reflection(served: Served) -> None:
    async with open_channel(served.registry.address) as channel:
        # At run time one class serves both kinds of channels.
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        stream = stub.ServerReflectionInfo()
        await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = [each.name for each in (await stream.read()).list_services_response.service]
        assert "google.longrunning.Operations" in listed
        symbol = "google.longrunning.Operations"
        await stream.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        assert (await stream.read()).file_descriptor_response.file_descriptor_proto
        await stream.done_writing()
