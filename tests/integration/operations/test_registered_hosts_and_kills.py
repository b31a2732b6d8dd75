"""The operations service is killed; hosts that were registered are followed again without having to say so."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.channel import open_channel
from tests.support.registry_server import RegistryServer, State
from tests.support.service_process import ServiceProcess
from tests.support.simulated_host import simulated_host

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

pytestmark = pytest.mark.kill


def calls(address: str, channel: grpc.aio.Channel) -> RegistryServer:
    stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
    return RegistryServer(stub, address)


async def test_a_registered_host_is_followed_by_the_next_life_of_the_registry(tmp_path: Path) -> None:
    flags = ["--host", "nothing=127.0.0.1:9", "--poll-min-interval-seconds", "0.02", "--poll-wait-seconds", "1"]
    process = ServiceProcess("operations", tmp_path, flags)
    async with simulated_host() as host:
        try:
            await asyncio.to_thread(process.start)
            async with open_channel(process.address) as channel:
                registry = calls(process.address, channel)
                request = pb.RegisterHostRequest(name="gpu-1", address=host.address, host_uid=host.host_uid)
                await registry.stub.RegisterHost(request, timeout=60)
                process.kill()  # the answer was given: the host is in the store
            await asyncio.to_thread(process.start)
            async with open_channel(process.address) as channel:
                registry = calls(process.address, channel)
                created = await registry.create(host="gpu-1")
                await registry.state_reached(created.id, State.STATE_RUNNING)
                process.kill()
            host.write(created.session_id, 1, loss=1.0)
            host.finish(created.session_id)
            await asyncio.to_thread(process.start)
            async with open_channel(process.address) as channel:
                registry = calls(process.address, channel)
                await registry.state_reached(created.id, State.STATE_COMPLETED)
                assert await registry.points(created.id, "loss") == [(0, 1.0)]
                assert host.starts.count(created.session_id) == 1
        finally:
            process.kill()
