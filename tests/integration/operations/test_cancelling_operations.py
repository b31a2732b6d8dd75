"""Wishes to stop: durable, sent in order, settled by the host."""

import asyncio
from pathlib import Path

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import simulated_host


async def cancel(registry: RegistryServer, operation_id: str, *, reason: str = "", now: bool = False) -> pb.Operation:
    request = pb.CancelOperationRequest(operation_id=operation_id, reason=reason, now=now)
    return (await registry.stub.CancelOperation(request, timeout=60)).operation


async def test_a_running_operation_is_cancelling_until_its_host_confirms(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        asked = await cancel(registry, created.id, reason="enough")
        assert asked.state == State.STATE_CANCELLING
        assert asked.cancel_requested
        await eventually(lambda: host.cancels == [created.session_id])
        assert host.sessions[created.session_id].message.cancel_reason == "enough"
        host.write(created.session_id, 1, loss=0.5)
        assert (await registry.get(created.id)).state == State.STATE_CANCELLING
        host.finish(created.session_id, Session.State.STATE_CANCELLED)
        ended = await registry.state_reached(created.id, State.STATE_CANCELLED)
        assert ended.cancel_reason == "enough"
        assert ended.metric_points == 1
        assert (await cancel(registry, created.id)).state == State.STATE_CANCELLED


async def test_a_result_that_came_first_wins(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        await cancel(registry, created.id)
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)


async def test_asking_again_sends_nothing_but_can_make_it_urgent(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        await cancel(registry, created.id)
        await eventually(lambda: len(host.cancels) == 1)
        await cancel(registry, created.id)
        await cancel(registry, created.id, now=True)
        await eventually(lambda: len(host.cancels) == 2)


async def test_what_no_host_was_asked_for_is_cancelled_on_the_spot(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create()
            ended = await cancel(registry, created.id)
            assert ended.state == State.STATE_CANCELLED
            assert ended.HasField("error")
            await host.start()
            await eventually(lambda: host.polls > 0)
            assert host.starts == []


async def test_a_wish_is_kept_while_the_host_is_away_and_over_a_restart(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            created = await registry.create()
            await host.stop()
            asked = await cancel(registry, created.id, reason="later")
            assert asked.state == State.STATE_CANCELLING
        await host.start()
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            assert (await registry.get(created.id)).state == State.STATE_CANCELLING
            await eventually(lambda: host.cancels == [created.session_id])
            host.finish(created.session_id, Session.State.STATE_CANCELLED)
            await registry.state_reached(created.id, State.STATE_CANCELLED)


async def test_a_start_that_never_arrived_is_settled_by_the_wish_to_stop(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
    ):
        await registry.up("gpu")
        host.answers.clear()
        creating = asyncio.ensure_future(registry.create())
        await eventually(lambda: host.starts)
        await host.stop()  # it was sent, but nobody knows whether it arrived
        host.answers.set()
        created = await creating
        assert created.state == State.STATE_PENDING
        assert (await cancel(registry, created.id)).state == State.STATE_CANCELLING
        await host.start()
        await registry.state_reached(created.id, State.STATE_CANCELLED)
        assert host.sessions == {}


async def test_a_session_of_a_cancelled_operation_that_resurfaces_is_stopped(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create()
            await cancel(registry, created.id)
            host.add(created.session_id)
            await host.start()
            await eventually(lambda: created.session_id in host.cancels)
            assert (await registry.get(created.id)).state == State.STATE_CANCELLED
            assert len(await registry.all()) == 1
