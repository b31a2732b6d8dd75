"""Hosts come and go while the registry runs: announced, renewed, moved, renamed, refused, let go."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.timestamps import seconds_to_duration
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

REGISTERED = pb.HostRecord.Source.SOURCE_REGISTERED


async def register(
    registry: RegistryServer, name: str, host: SimulatedHost, *, uid: bool = True, lease_seconds: float = 60.0
) -> pb.HostRecord:
    request = pb.RegisterHostRequest(
        name=name,
        address=host.address,
        host_uid=host.host_uid if uid else "",
        lease=seconds_to_duration(lease_seconds),
    )
    return (await registry.stub.RegisterHost(request, timeout=5)).host


async def unregister(registry: RegistryServer, name: str) -> None:
    await registry.stub.UnregisterHost(pb.UnregisterHostRequest(name=name), timeout=5)


async def records(registry: RegistryServer) -> dict[str, pb.HostRecord]:
    response = await registry.stub.ListHosts(pb.ListHostsRequest(), timeout=5)
    return {record.name: record for record in response.hosts}


async def is_up(registry: RegistryServer, name: str) -> bool:
    known = await records(registry)
    return name in known and known[name].state == pb.HostRecord.State.STATE_UP


async def test_an_announced_host_is_followed_and_gets_work(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path) as registry:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await registry.create()
        assert reason_of_error(refused.value) == "NO_HOST_OF_KIND"
        record = await register(registry, "gpu-1", host)
        assert (record.name, record.address, record.source) == ("gpu-1", host.address, REGISTERED)
        assert timedelta(seconds=50) < record.lease_left.ToTimedelta() <= timedelta(seconds=60)
        created = await registry.create()
        await registry.state_reached(created.id, State.STATE_RUNNING)
        host.finish(created.session_id)
        assert (await registry.state_reached(created.id, State.STATE_COMPLETED)).host == "gpu-1"


async def test_an_announced_host_is_followed_again_after_a_restart_from_where_it_was_read(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path) as registry:
            await register(registry, "gpu-1", host)
            created = await registry.create()
            await registry.state_reached(created.id, State.STATE_RUNNING)
            await eventually(lambda: host.readers[-1][1] != b"")
        host.readers.clear()
        async with registry_server(tmp_path) as registry:
            assert (await records(registry))["gpu-1"].source == REGISTERED
            host.write(created.session_id, 1, loss=1.0)
            host.finish(created.session_id)
            await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert host.readers[0][1] != b""


async def test_a_host_whose_lease_is_over_is_followed_while_it_has_work_and_gets_nothing_new(tmp_path: Path) -> None:
    clock = FakeClock()
    async with simulated_host() as host, registry_server(tmp_path, clock=clock) as registry:
        await register(registry, "gpu-1", host)
        created = await registry.create()
        await registry.state_reached(created.id, State.STATE_RUNNING)
        clock.advance(61)
        waiting = await registry.create()
        await registry.state_reached(waiting.id, State.STATE_PENDING)
        record = (await records(registry))["gpu-1"]
        assert record.lease_left.ToTimedelta() == timedelta(0)
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)

        async def let_go() -> bool:
            return "gpu-1" not in await records(registry)

        await eventually(let_go)
        assert waiting.session_id not in host.sessions
        await register(registry, "gpu-1", host)
        await registry.state_reached(waiting.id, State.STATE_RUNNING)
