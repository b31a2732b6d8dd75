"""The operations service is killed between the steps of a retry and of a deletion: nothing is half done after it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.channel import open_channel
from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, reason_of_error
from tests.support.service_process import ServiceProcess
from tests.support.simulated_host import SimulatedHost, simulated_host

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

pytestmark = pytest.mark.kill


@asynccontextmanager
async def operations_process(home: Path, host: SimulatedHost) -> AsyncIterator[ServiceProcess]:
    flags = ["--host", f"gpu={host.address}", "--poll-min-interval-seconds", "0.02", "--poll-wait-seconds", "1"]
    process = ServiceProcess("operations", home, [*flags, "--session-removal-interval-seconds", "0.2"])
    try:
        await asyncio.to_thread(process.start)
        yield process
    finally:
        process.kill()


@asynccontextmanager
async def connected(process: ServiceProcess) -> AsyncIterator[RegistryServer]:
    async with open_channel(process.address) as channel:
        stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
        yield RegistryServer(stub, process.address)


async def ended_operation(registry: RegistryServer, host: SimulatedHost) -> pb.Operation:
    created = await registry.create()
    host.write(created.session_id, 0, loss=0.5)
    host.finish(created.session_id, Session.State.STATE_FAILED)
    return await registry.state_reached(created.id, State.STATE_FAILED)


async def gone(host: SimulatedHost, session_id: str) -> None:
    await eventually(lambda: session_id not in host.sessions)


async def answered(call: "grpc.aio.UnaryUnaryCall[pb.RetryOperationRequest, pb.RetryOperationResponse]") -> bool:
    try:
        await call
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_retry_is_one_attempt_whenever_the_registry_is_killed_in_it(tmp_path: Path) -> None:
    rng = random.Random(3)
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        async with connected(process) as registry:
            ended = await ended_operation(registry, host)
        for number in range(2, 6):
            request = pb.RetryOperationRequest(operation_id=ended.id, request_id=f"retry {number}")
            host.delay_seconds = rng.choice([0.0, 0.3])
            async with connected(process) as registry:
                call = registry.stub.RetryOperation(request, timeout=60)
                asked = asyncio.create_task(answered(call))
                # Between the request and its commit, between commit and start, or while the host works on the start.
                await asyncio.sleep(rng.choice([0.0, 0.002, 0.005, 0.01, 0.05]))
                process.kill()
                await asked
            host.delay_seconds = 0.0
            await asyncio.to_thread(process.start)
            async with connected(process) as registry:
                before = await registry.get(ended.id)
                assert before.attempt in {number - 1, number}
                assert before.attempt == number or before.state == State.STATE_FAILED
                tried = (await registry.stub.RetryOperation(request, timeout=60)).operation
                assert tried.attempt == number
                assert [past.attempt for past in tried.past_attempts] == list(range(1, number))
                await registry.state_reached(ended.id, State.STATE_RUNNING)
                host.write(tried.session_id, number, loss=1.0)
                host.finish(tried.session_id, Session.State.STATE_FAILED)
                await registry.state_reached(ended.id, State.STATE_FAILED)
                assert await registry.points(ended.id, "loss") == [(0, 1.0)]
                assert {one.id for one in await registry.all()} == {ended.id}
        assert set(host.sessions) == {f"{ended.id}-{number}" for number in range(1, 6)}


async def test_a_retry_that_is_refused_while_the_registry_is_killed_is_over_or_never_was(tmp_path: Path) -> None:
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        async with connected(process) as registry:
            ended = await ended_operation(registry, host)
            host.refusal = ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, detail="no").status()
            host.answers.clear()
            starts = len(host.starts)
            call = registry.stub.RetryOperation(pb.RetryOperationRequest(operation_id=ended.id), timeout=60)
            asked = asyncio.create_task(answered(call))
            await eventually(lambda: len(host.starts) > starts)
            process.kill()
            assert not await asked
        host.answers.set()
        await asyncio.to_thread(process.start)
        async with connected(process) as registry:
            # Its caller has heard nothing, so it is kept, and tells why it failed.
            failed = await registry.state_reached(ended.id, State.STATE_FAILED)
            assert failed.attempt == 2
            assert len(failed.past_attempts) == 1
            host.refusal = None
            again = await registry.stub.RetryOperation(pb.RetryOperationRequest(operation_id=ended.id), timeout=60)
            assert again.operation.attempt == 3


async def test_a_deletion_is_whole_or_not_at_all_and_the_session_goes_all_the_same(tmp_path: Path) -> None:
    rng = random.Random(5)
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        for _ in range(4):
            async with connected(process) as registry:
                ended = await ended_operation(registry, host)
                request = pb.DeleteOperationRequest(operation_id=ended.id)
                call = asyncio.ensure_future(registry.stub.DeleteOperation(request, timeout=60))
                await asyncio.sleep(rng.choice([0.0, 0.002, 0.004, 0.01]))
                process.kill()
                deleted = not isinstance((await asyncio.gather(call, return_exceptions=True))[0], Exception)
            await asyncio.to_thread(process.start)
            async with connected(process) as registry:
                there = await is_there(registry, ended.id)
                assert not (there and deleted)
                await registry.stub.DeleteOperation(request, timeout=60)
                await gone(host, ended.session_id)
                assert not await is_there(registry, ended.id)
                assert await registry.all() == []


async def test_what_was_deleted_while_its_host_was_away_is_removed_by_the_next_life(tmp_path: Path) -> None:
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        async with connected(process) as registry:
            ended = await ended_operation(registry, host)
            await host.stop()
            await registry.stub.DeleteOperation(pb.DeleteOperationRequest(operation_id=ended.id), timeout=60)
            process.kill()
        await host.start()
        await asyncio.to_thread(process.start)
        await eventually(lambda: ended.session_id not in host.sessions)
        async with connected(process) as registry:
            assert await registry.all() == []


async def is_there(registry: RegistryServer, operation_id: str) -> bool:
    try:
        await registry.get(operation_id)
    except grpc.aio.AioRpcError as error:
        if reason_of_error(error) != "OPERATION_NOT_FOUND":
            raise
        return False
    return True
