"""Hosts come and go while the registry runs: announced, renewed, moved, renamed, refused, let go."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
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
    return (await registry.stub.RegisterHost(request, timeout=60)).host


async def unregister(registry: RegistryServer, name: str) -> None:
    await registry.stub.UnregisterHost(pb.UnregisterHostRequest(name=name), timeout=60)


async def records(registry: RegistryServer) -> dict[str, pb.HostRecord]:
    response = await registry.stub.ListHosts(pb.ListHostsRequest(), timeout=60)
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
    async with simulated_host() as host, registry_server(tmp_path, clock=clock, create_wait_seconds=0.2) as registry:
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


async def test_a_moved_host_is_followed_at_its_new_address_from_where_it_was_read(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path) as registry:
        await register(registry, "gpu-1", host)
        created = await registry.create()
        host.write(created.session_id, 1, loss=1.0)
        await eventually(lambda: registry.points(created.id, "loss"))
        await host.stop()
        host.move()
        host.readers = []
        await host.start()

        async def moved() -> bool:
            try:
                return (await register(registry, "gpu-1", host)).address == host.address
            except grpc.aio.AioRpcError as error:
                if reason_of_error(error) != "INVALID_REQUEST":
                    raise
                return False  # the old address seems to answer still: hosts announce themselves again

        await eventually(moved)
        host.write(created.session_id, 2, loss=0.5)
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert await registry.points(created.id, "loss") == [(0, 1.0), (1, 0.5)]
        assert host.readers[0][1] != b""


async def test_a_renamed_host_takes_its_operations_and_its_draining_with_it(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path) as registry:
        await register(registry, "old", host)
        created = await registry.create()
        await registry.state_reached(created.id, State.STATE_RUNNING)
        await registry.stub.DrainHost(pb.DrainHostRequest(host="old"), timeout=60)
        await register(registry, "new", host)
        assert list(await records(registry)) == ["new"]

        async def renamed() -> bool:
            return (await registry.get(created.id)).host == "new"

        await eventually(renamed)
        assert (await records(registry))["new"].draining
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert len(await registry.all()) == 1


@pytest.mark.parametrize("configured", [True, False])
async def test_two_hosts_with_one_name_are_refused_and_both_named(tmp_path: Path, configured: bool) -> None:
    async with simulated_host(host_uid="uid-a") as a, simulated_host(host_uid="uid-b") as b:
        hosts = [f"gpu-1={a.address}"] if configured else []
        async with registry_server(tmp_path, *hosts) as registry:
            if not configured:
                await register(registry, "gpu-1", a)
            await eventually(lambda: is_up(registry, "gpu-1"))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await register(registry, "gpu-1", b)
            assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
            assert reason_of_error(refused.value) == "HOST_NAME_TAKEN"
            for word in ("gpu-1", a.address, b.address, "uid-a", "uid-b"):
                assert word in (refused.value.details() or "")
            assert (await records(registry))["gpu-1"].address == a.address


async def test_two_hosts_with_one_identity_are_refused_and_the_copy_explained(tmp_path: Path) -> None:
    async with (
        simulated_host(host_uid="uid") as host,
        simulated_host(host_uid="uid") as copy,
        registry_server(tmp_path) as registry,
    ):
        await register(registry, "gpu-1", host)
        await eventually(lambda: is_up(registry, "gpu-1"))
        for name in ("gpu-1", "gpu-2"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await register(registry, name, copy)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "host.json" in (refused.value.details() or "")
        assert (await records(registry))["gpu-1"].address == host.address


async def test_a_host_that_is_no_longer_configured_may_announce_itself_and_goes_on(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            created = await registry.create()
            await registry.state_reached(created.id, State.STATE_RUNNING)
            await registry.stub.DrainHost(pb.DrainHostRequest(host="gpu"), timeout=60)
        async with registry_server(tmp_path) as registry:
            assert await records(registry) == {}
            assert (await register(registry, "gpu", host)).draining
            host.finish(created.session_id)
            await registry.state_reached(created.id, State.STATE_COMPLETED)


async def test_a_name_is_free_when_its_host_is_gone_and_its_lease_over(tmp_path: Path) -> None:
    clock = FakeClock()
    async with simulated_host() as old, simulated_host() as new, registry_server(tmp_path, clock=clock) as registry:
        await register(registry, "gpu-1", old)
        created = await registry.create()  # keeps the host followed beyond its lease
        await registry.state_reached(created.id, State.STATE_RUNNING)
        await old.stop()
        clock.advance(70)

        async def accepted() -> bool:
            try:
                await register(registry, "gpu-1", new)
            except grpc.aio.AioRpcError as error:
                if reason_of_error(error) != "HOST_NAME_TAKEN":
                    raise
                return False
            return True

        await eventually(accepted)

        async def lost() -> bool:
            return (await registry.get(created.id)).loss.rule == pb.Loss.Rule.RULE_HOST_REPLACED

        await eventually(lost)


async def test_only_the_host_that_was_announced_is_taken_for_it(tmp_path: Path) -> None:
    async with simulated_host(host_uid="stranger") as host, registry_server(tmp_path) as registry:
        host.add("s")
        request = pb.RegisterHostRequest(name="gpu-1", address=host.address, host_uid="announced")
        await registry.stub.RegisterHost(request, timeout=60)

        async def problem() -> str:
            return (await records(registry))["gpu-1"].problem

        text = await eventually(problem)
        assert "stranger" in text
        assert "announced" in text
        assert await registry.all() == []
        await register(registry, "gpu-1", host)  # the same address announces what is there now
        await registry.found("s")


async def test_a_configured_host_may_announce_itself_under_any_name(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        await eventually(lambda: is_up(registry, "gpu"))
        for name in ("gpu", "gpu-1"):
            record = await register(registry, name, host)
            assert (record.name, record.source) == ("gpu", pb.HostRecord.Source.SOURCE_CONFIGURED)
            assert not record.HasField("lease_left")
        assert list(await records(registry)) == ["gpu"]


async def test_an_unregistered_host_is_out_of_sight_until_it_is_back_and_a_stop_waits_for_it(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path) as registry:
        await register(registry, "gpu-1", host)
        created = await registry.create()
        await registry.state_reached(created.id, State.STATE_RUNNING)
        async with registry.watch() as watch:
            await unregister(registry, "gpu-1")
            gone = await watch.until(lambda one: one.liveness == pb.LIVENESS_UNREACHABLE)
        assert gone.state == State.STATE_RUNNING
        assert "ktrdr hosts register gpu-1" in gone.wait_reason
        await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=created.id), timeout=60)
        assert host.cancels == []
        await register(registry, "gpu-1", host)
        await eventually(lambda: host.cancels == [created.session_id])


async def test_what_cannot_be_unregistered_or_registered_is_refused(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        refusals = {}
        for name in ("gpu", "nobody"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unregister(registry, name)
            refusals[name] = refused.value.code(), reason_of_error(refused.value)
        assert refusals == {
            "gpu": (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE"),
            "nobody": (grpc.StatusCode.NOT_FOUND, "HOST_NOT_FOUND"),
        }
        wrong = pb.RegisterHostRequest(name="a b", address="nowhere", host_uid="?", lease=seconds_to_duration(90_000))
        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await registry.stub.RegisterHost(wrong, timeout=60)
        assert invalid.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for field in ("name", "address", "host_uid", "and 1 more"):
            assert field in (invalid.value.details() or "")


async def test_the_rows_of_hosts_that_were_registered_long_ago_go(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, clock=FakeClock(datetime(2024, 1, 1, tzinfo=UTC))) as registry:
            await register(registry, "gpu-1", host)
        store = tmp_path / "operations" / "operations.sqlite3"
        for start, rows in ((datetime(2024, 3, 1, tzinfo=UTC), 1), (datetime(2024, 4, 2, tzinfo=UTC), 0)):
            async with registry_server(tmp_path, clock=FakeClock(start)) as registry:
                assert await records(registry) == {}
            with closing(sqlite3.connect(store)) as connection:
                assert connection.execute("SELECT count(*) FROM hosts").fetchone() == (rows,)
