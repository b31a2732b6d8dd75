"""A host announces itself, says goodbye, and is not disturbed while nobody listens."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.operations.v1 import operations_pb2 as pb
from structlog.testing import capture_logs

from services.common.bootstrap import running_server
from services.host.announcement import own_address
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.free_ports import ReservedPort
from tests.support.host_service import KIND, ProbeHost, ProbeHostSettings
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.scripted_work import ScriptedWork


@contextlib.asynccontextmanager
async def announcing_host(
    home: Path, registry: str, work: ScriptedWork, *, name: str = "gpu-1", lease_seconds: float = 60.0
) -> AsyncIterator[ProbeHost]:
    settings = ProbeHostSettings(
        home=home, announce_to=registry, announce_as=name, announce_lease_seconds=lease_seconds
    )
    probe = ProbeHost(settings, work.runner())
    async with running_server(probe, settings):
        yield probe


async def hosts(registry: RegistryServer) -> dict[str, pb.HostRecord]:
    response = await registry.stub.ListHosts(pb.ListHostsRequest(), timeout=60)
    return {record.name: record for record in response.hosts}


async def is_up(registry: RegistryServer, name: str) -> bool:
    known = await hosts(registry)
    return name in known and known[name].state == pb.HostRecord.State.STATE_UP


async def test_a_host_is_followed_from_its_start_to_its_stop(tmp_path: Path) -> None:
    work = ScriptedWork()
    async with registry_server(tmp_path / "registry") as registry:
        async with announcing_host(tmp_path / "host", registry.address, work) as probe:
            await eventually(lambda: is_up(registry, "gpu-1"))
            record = (await hosts(registry))["gpu-1"]
            assert record.host_uid == probe.host.describe().host_uid
            await probe.host.sessions.start(kind=KIND, spec=Struct(), session_id="a")
            operation = await registry.found("a")
            await work.working("a")
            work.complete("a")
            await registry.state_reached(operation.id, State.STATE_COMPLETED)
        assert await hosts(registry) == {}


async def test_a_lease_is_renewed_long_before_it_is_over(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        registry_server(tmp_path / "registry", clock=clock) as registry,
        announcing_host(tmp_path / "host", registry.address, ScriptedWork(), lease_seconds=1.0) as probe,
    ):
        await eventually(lambda: is_up(registry, "gpu-1"))

        async def whole() -> bool:
            return (await hosts(registry))["gpu-1"].lease_left.ToTimedelta().total_seconds() == 1.0

        for _ in range(3):
            clock.advance(0.6)
            await eventually(whole)
        announcement = probe.host._announcement
        assert announcement is not None
        assert await announcement._announce(registry.stub) <= 0.5, "the time until the next announcement"


async def test_a_host_works_on_and_says_once_that_the_registry_is_away(tmp_path: Path) -> None:
    work, reserved = ScriptedWork(), ReservedPort()
    with capture_logs() as logs:
        async with announcing_host(tmp_path / "host", f"127.0.0.1:{reserved.number}", work) as probe:

            def told(event: str) -> int:
                return sum(entry["event"] == event for entry in logs)

            await eventually(lambda: told("host_not_announced"))
            await probe.host.sessions.start(kind=KIND, spec=Struct(), session_id="a")
            await work.working("a")
            async with registry_server(tmp_path / "registry", port=reserved.number) as registry:
                await eventually(lambda: is_up(registry, "gpu-1"))
                assert (await registry.found("a")).state == State.STATE_RUNNING
            assert told("host_not_announced") == 1
            await eventually(lambda: told("host_announced"))
            assert told("host_announced") == 1
            work.complete("a")
            await eventually(lambda: not work.sessions)


async def test_a_second_host_with_the_name_is_refused_and_both_are_named(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with (
            registry_server(tmp_path / "registry") as registry,
            announcing_host(tmp_path / "a", registry.address, ScriptedWork()) as first,
        ):
            await eventually(lambda: is_up(registry, "gpu-1"))
            async with announcing_host(tmp_path / "b", registry.address, ScriptedWork()) as second:
                refusal = await eventually(
                    lambda: next((entry for entry in logs if entry["event"] == "host_not_announced"), None)
                )
                assert refusal is not None
                for host in (first, second):
                    assert host.host.describe().host_uid in refusal["problem"]
            assert (await hosts(registry))["gpu-1"].host_uid == first.host.describe().host_uid


@pytest.mark.parametrize(
    ("bind", "address"),
    [("127.0.0.1", "127.0.0.1:5002"), ("::1", "[::1]:5002"), ("gpu-1", "gpu-1:5002"), ("0.0.0.0", "127.0.0.1:5002")],
)
def test_the_address_that_is_announced_can_be_reached(bind: str, address: str) -> None:
    assert own_address((bind, 5002), "127.0.0.1:5003") == address
