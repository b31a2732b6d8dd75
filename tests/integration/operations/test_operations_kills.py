"""The operations service is killed at any moment; whatever it had not stored, hosts tell again."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.common.channel import open_channel
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State
from tests.support.service_process import ServiceProcess
from tests.support.simulated_host import SimulatedHost, simulated_host

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

pytestmark = pytest.mark.kill
FEWEST_STEPS = 200


@asynccontextmanager
async def operations_process(home: Path, host: SimulatedHost) -> AsyncIterator[ServiceProcess]:
    flags = ["--host", f"gpu={host.address}", "--poll-min-interval-seconds", "0.02", "--poll-wait-seconds", "1"]
    process = ServiceProcess("operations", home, flags)
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


@pytest.mark.timeout(300)  # four starts of a service, which take long on a busy machine
async def test_a_curve_is_complete_and_has_no_point_twice_however_often_the_registry_is_killed(tmp_path: Path) -> None:
    rng = random.Random(11)
    was_killed = asyncio.Event()
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        async with connected(process) as registry:
            created = await registry.create(request_id="r")

        async def work() -> int:
            """Write steps for as long as the registry is being killed, however long its starts take."""
            step = 0
            while step < FEWEST_STEPS or not was_killed.is_set():
                host.write(created.session_id, step, loss=1 / (step + 1), accuracy=step / 600)
                step += 1
                await asyncio.sleep(0.01)
            host.finish(created.session_id, result=TrainingResult(epochs=step))
            return step

        working = asyncio.create_task(work())
        seen = created.revision
        for _ in range(3):
            async with connected(process) as registry, registry.watch(after_revision=seen) as watch:
                for _ in range(rng.randrange(1, 15)):
                    seen = max(seen, (await watch.next()).revision)
                process.kill()
            await asyncio.to_thread(process.start)
        was_killed.set()
        async with connected(process) as registry:
            async with registry.watch(after_revision=seen) as watch:  # revisions of the lives before are still known
                ended = await watch.until(lambda one: one.state == State.STATE_COMPLETED)
            steps = await working
            assert ended.id == created.id
            assert ended.revision > seen
            assert ended.training_result.epochs == steps
            assert ended.metric_points == 2 * steps
            expected = [(step, 1 / (step + 1)) for step in range(steps)]
            assert await registry.points(created.id, "loss") == expected
            again = await registry.create(request_id="r")
            assert again.id == created.id
            assert host.starts == [created.session_id]


async def test_what_was_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    async with simulated_host() as host, operations_process(tmp_path, host) as process:
        async with connected(process) as registry:
            kept, stopped = await registry.create(), await registry.create()
            await host.stop()
            request = pb.CancelOperationRequest(operation_id=stopped.id, reason="enough")
            asked = (await registry.stub.CancelOperation(request, timeout=60)).operation
            assert asked.state == State.STATE_CANCELLING
            process.kill()
        await asyncio.to_thread(process.start)
        async with connected(process) as registry:
            assert (await registry.get(stopped.id)).cancel_reason == "enough"
            assert (await registry.get(kept.id)).state == State.STATE_RUNNING
            await host.start()
            await eventually(lambda: host.cancels == [stopped.session_id])
