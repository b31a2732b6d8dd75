"""Deleted operations are gone: from the registry at once, from their hosts as soon as these answer, and for good."""

import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


async def delete(registry: RegistryServer, operation_id: str, *, keep_sessions: bool = False) -> None:
    request = pb.DeleteOperationRequest(operation_id=operation_id, keep_sessions=keep_sessions)
    await registry.stub.DeleteOperation(request, timeout=60)


async def completed(registry: RegistryServer, host: SimulatedHost) -> pb.Operation:
    created = await registry.create()
    host.write(created.session_id, 0, loss=0.5)
    host.finish(created.session_id)
    return await registry.state_reached(created.id, State.STATE_COMPLETED)


async def is_gone(registry: RegistryServer, operation_id: str) -> bool:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registry.get(operation_id)
    return reason_of_error(caught.value) == "OPERATION_NOT_FOUND"


async def polled(host: SimulatedHost) -> None:
    polls = host.polls
    await eventually(lambda: host.polls > polls + 3)


async def test_operation_history_and_session_are_gone_and_stay_so(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            ended = await completed(registry, host)
            await delete(registry, ended.id)
            assert await is_gone(registry, ended.id)
            query = registry.stub.QueryMetrics(pb.QueryMetricsRequest(operation_id=ended.id), timeout=60)
            assert (await refusal(query)).reason == "OPERATION_NOT_FOUND"
            await eventually(lambda: ended.session_id not in host.sessions)
            await delete(registry, ended.id)  # once more is no error
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            assert await is_gone(registry, ended.id)
            await delete(registry, ended.id)


async def test_what_its_host_keeps_is_not_found_again(tmp_path: Path) -> None:
    async with simulated_host() as host:
        host.add("by-hand")
        host.finish("by-hand")
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            ended = await completed(registry, host)
            found = await registry.state_reached((await registry.found("by-hand")).id, State.STATE_COMPLETED)
            for one in (ended, found):
                await delete(registry, one.id, keep_sessions=True)
            host.reject_cursors = 1  # it begins anew, and is told everything again
            await polled(host)
            assert await registry.all() == []
            assert not host.deletes
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            await polled(host)
            assert await registry.all() == []
            assert set(host.sessions) == {ended.session_id, "by-hand"}


async def test_the_session_goes_when_its_host_is_back(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            ended = await completed(registry, host)
            await host.stop()
            await delete(registry, ended.id)
        await host.start()
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            await eventually(lambda: ended.session_id not in host.sessions)
            assert await is_gone(registry, ended.id)
            await polled(host)
            assert len(host.deletes) <= 2  # it has told that the session is gone
    with closing(sqlite3.connect(tmp_path / "operations" / "operations.sqlite3")) as store:
        assert store.execute("SELECT count(*) FROM abandoned_sessions").fetchone() == (0,)


async def test_sessions_of_all_attempts_go(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        ended = await completed(registry, host)
        tried = await registry.stub.RetryOperation(pb.RetryOperationRequest(operation_id=ended.id), timeout=60)
        refused = await refusal(delete(registry, ended.id))
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        assert f"ktrdr ops cancel {ended.id}" in refused.message
        host.finish(tried.operation.session_id)
        await registry.state_reached(ended.id, State.STATE_COMPLETED)
        assert set(host.sessions) == {ended.session_id, tried.operation.session_id}
        await delete(registry, ended.id)
        await eventually(lambda: not host.sessions)


async def test_a_session_at_work_of_a_deleted_operation_is_stopped_and_then_removed(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=0.1) as registry,
    ):
        created = await registry.create()
        host.write(created.session_id, 0, loss=0.5)

        async def told() -> bool:
            return (await registry.get(created.id)).metric_points == 1

        await eventually(told)
        spec = host.sessions[created.session_id].message.spec
        host.remove(created.session_id)
        await registry.state_reached(created.id, State.STATE_FAILED)
        host.add(created.session_id).message.spec.CopyFrom(spec)
        await delete(registry, created.id)
        await eventually(lambda: created.session_id in host.cancels)
        host.finish(created.session_id, Session.State.STATE_CANCELLED)
        await eventually(lambda: created.session_id not in host.sessions)
        assert await is_gone(registry, created.id)


async def test_what_was_deleted_is_gone_from_lists_and_labels(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(labels={"team": "a"})
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert [one.id for one in await registry.all("labels.team = a")] == [created.id]
        await delete(registry, created.id)
        assert await registry.all("labels.team = a") == []
        assert await registry.all() == []


async def test_what_its_host_removed_unseen_is_forgotten_with_the_next_whole_snapshot(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            ended = [await completed(registry, host) for _ in range(2)]
            for one in ended:
                await delete(registry, one.id, keep_sessions=True)
        host.remove(ended[0].session_id)
        host.reject_cursors = 1
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            await polled(host)
            assert await registry.all() == []
    with closing(sqlite3.connect(tmp_path / "operations" / "operations.sqlite3")) as store:
        kept = store.execute("SELECT session_id FROM abandoned_sessions").fetchall()
    assert kept == [(ended[1].session_id,)]
