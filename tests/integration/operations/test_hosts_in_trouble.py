"""Hosts that are slow, gone, wiped, doubled or forgetful: nothing is lost, and no operation is blamed for it."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations import host_connection
from services.operations.identifiers import derived_operation_id
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


async def host_record(registry: RegistryServer, name: str) -> pb.HostRecord:
    response = await registry.stub.ListHosts(pb.ListHostsRequest(), timeout=60)
    return next(host for host in response.hosts if host.name == name)


async def test_a_slow_host_delays_neither_another_nor_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_connection, "_SLACK_SECONDS", 600.0)  # what waited for the slow host would never end
    async with (
        simulated_host() as slow,
        simulated_host() as quick,
        registry_server(tmp_path, f"slow={slow.address}", f"quick={quick.address}") as registry,
    ):
        slow.add("on-slow")
        quick.add("on-quick")
        slow_operation, quick_operation = await registry.found("on-slow"), await registry.found("on-quick")
        slow.answers.clear()
        slow.write("on-slow", 1, loss=1.0)
        await eventually(lambda: slow.held)
        async with registry.watch(operation_ids=[quick_operation.id]) as watch:
            quick.write("on-quick", 1, loss=1.0)
            await watch.until(lambda one: one.metric_points == 1)
            await registry.get(slow_operation.id)
            await registry.all()
        slow.answers.set()
        await eventually(lambda: _points_are(registry, slow_operation.id, 1))


async def _points_are(registry: RegistryServer, operation_id: str, points: int) -> bool:
    return (await registry.get(operation_id)).metric_points == points


async def test_a_host_out_of_sight_changes_liveness_and_never_the_state(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("s")
        operation = await registry.found("s")
        async with registry.watch() as watch:
            await host.stop()
            gone = await watch.until(lambda one: one.liveness == pb.LIVENESS_UNREACHABLE)
            assert gone.state == State.STATE_RUNNING
            assert gone.wait_reason
            record = await host_record(registry, "gpu")
            assert record.state == pb.HostRecord.State.STATE_UNREACHABLE
            assert record.consecutive_failures >= 3
            assert "--host gpu=" in record.problem
            request = pb.GetOperationRequest(operation_id=operation.id, max_staleness=Duration())
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await registry.stub.GetOperation(request, timeout=60)
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of_error(failed.value) == "HOST_UNREACHABLE"
            await host.start()
            back = await watch.until(lambda one: one.liveness == pb.LIVENESS_FRESH)
            assert back.state == State.STATE_RUNNING
            assert not back.wait_reason
            host.write("s", 1, loss=1.0)
            host.finish("s")
            await registry.state_reached(operation.id, State.STATE_COMPLETED)
            assert await registry.points(operation.id, "loss") == [(0, 1.0)]


async def test_single_failures_of_a_poll_change_nothing(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("s")
        operation = await registry.found("s")
        for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS):
            host.status_failures.append(code)
            host.touch("s")
            await eventually(lambda: not host.status_failures)
            assert (await registry.get(operation.id)).state == State.STATE_RUNNING

        async def answers() -> bool:
            return (await host_record(registry, "gpu")).consecutive_failures == 0

        await eventually(answers)


async def test_an_unknown_cursor_begins_again_and_brings_no_point_twice(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("s")
        host.write("s", 1, loss=1.0)
        operation = await registry.found("s")
        host.reject_cursors += 1
        host.write("s", 2, loss=2.0)
        await eventually(lambda: _points_are(registry, operation.id, 2))
        host.repeats = 3
        host.write("s", 3, loss=3.0)
        await eventually(lambda: _points_are(registry, operation.id, 3))
        host.finish("s")
        await registry.state_reached(operation.id, State.STATE_COMPLETED)
        assert await registry.points(operation.id, "loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]


async def test_a_new_journal_of_a_session_begins_a_new_history(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        session = host.add("s")
        host.write("s", 1, loss=1.0)
        operation = await registry.found("s")
        await eventually(lambda: _points_are(registry, operation.id, 1))
        session.rows.clear()
        session.message.incarnation = "f" * 32
        host.write("s", 1, loss=0.5)
        await eventually(lambda: _points_are(registry, operation.id, 2))
        response = await registry.stub.QueryMetrics(pb.QueryMetricsRequest(operation_id=operation.id), timeout=60)
        assert [list(history.points.values) for history in response.series] == [[1.0], [0.5]]
        assert response.series[1].incarnation == "f" * 32


async def test_a_session_that_its_host_has_lost_fails_with_evidence(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.write(created.session_id, 1, loss=1.0)
        await eventually(lambda: _points_are(registry, created.id, 1))
        host.remove(created.session_id)
        failed = await registry.state_reached(created.id, State.STATE_FAILED)
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in failed.error.details)
        assert info.reason == "HOST_LOST_SESSION"
        assert await registry.points(created.id, "loss") == [(0, 1.0)]


async def test_a_session_missing_in_a_new_snapshot_is_lost_too(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            created = await registry.create()
        del host.sessions[created.session_id]
        host.reject_cursors = 1
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            await registry.state_reached(created.id, State.STATE_FAILED)


async def test_a_wiped_host_is_another_host(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.host_uid = "another"
        host.sessions.clear()
        host.add("new")
        await registry.found("new")

        async def lost() -> pb.Operation | None:
            operation = await registry.get(created.id)
            return operation if operation.liveness == pb.LIVENESS_LOST else None

        lost_sight = await eventually(lost)
        assert lost_sight is not None
        assert lost_sight.state == State.STATE_RUNNING
        assert lost_sight.loss.rule == pb.Loss.Rule.RULE_HOST_REPLACED
        assert lost_sight.loss.host_uid == "another"
        assert "another host" in lost_sight.wait_reason


async def test_the_same_host_under_two_names_is_followed_once(tmp_path: Path) -> None:
    async with simulated_host() as host:
        twice = f"localhost:{host.port}"
        async with registry_server(tmp_path, f"a={host.address}", f"b={twice}") as registry:
            host.add("s")
            await registry.found("s")

            async def problem() -> str:
                records = [await host_record(registry, name) for name in "ab"]
                return next((record.problem for record in records if record.problem), "")

            assert "same host" in await eventually(problem)
            assert len(await registry.all()) == 1


async def test_a_host_keeps_its_operations_under_another_name(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"old={host.address}") as registry:
            created = await registry.create()
        async with registry_server(tmp_path, f"new={host.address}") as registry:
            assert (await registry.get(created.id)).state == State.STATE_RUNNING
            host.write(created.session_id, 1, loss=1.0)
            await eventually(lambda: _points_are(registry, created.id, 1))
            renamed = await registry.get(created.id)
            assert renamed.host == "new"
            assert len(await registry.all()) == 1


async def test_a_new_store_recognises_all_sessions_under_their_old_ids(tmp_path: Path) -> None:
    async with simulated_host(host_uid="uid") as host:
        async with registry_server(tmp_path / "first", f"gpu={host.address}") as registry:
            created = await registry.create(labels={"team": "a"})
            host.add("by-hand")
            host.write(created.session_id, 1, loss=1.0)
            found = await registry.found("by-hand")
            assert found.id == derived_operation_id("uid", "by-hand")
        async with registry_server(tmp_path / "second", f"gpu={host.address}") as registry:
            recovered = await registry.found(created.session_id)
            assert recovered.id == created.id
            assert dict(recovered.labels) == {"team": "a"}
            assert recovered.training == created.training
            assert (await registry.found("by-hand")).id == found.id
            assert len(await registry.all()) == 2
            await eventually(lambda: _points_are(registry, created.id, 1))


async def test_an_end_is_never_overwritten(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        session = host.sessions[created.session_id].message
        for state in (Session.State.STATE_RUNNING, Session.State.STATE_FAILED):
            session.state = state
            host.write(created.session_id, 9, loss=9.0)
            host.add(f"marker-{state}")
            await registry.found(f"marker-{state}")
        assert await registry.get(created.id) == ended


async def test_a_terminal_state_waits_for_the_last_points(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.page_points = 1
        async with registry.watch(operation_ids=[created.id]) as watch:
            session = host.sessions[created.session_id]
            session.rows += [(step, {"loss": float(step)}) for step in range(20)]
            host.finish(created.session_id)
            ended = await watch.until(lambda one: one.state == State.STATE_COMPLETED)
            assert ended.metric_points == 20


async def test_first_contact_does_not_wait_for_news(tmp_path: Path) -> None:
    host: SimulatedHost
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=600.0) as registry,
    ):

        async def is_up() -> bool:
            return (await host_record(registry, "gpu")).state == pb.HostRecord.State.STATE_UP

        await eventually(is_up)


async def test_a_host_that_is_no_longer_configured_is_named_with_the_way_back(tmp_path: Path) -> None:
    async with simulated_host() as host, simulated_host() as other:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            created = await registry.create()
        async with registry_server(tmp_path, f"other={other.address}") as registry:
            operation = await registry.get(created.id)
            assert operation.state == State.STATE_RUNNING
            assert operation.liveness == pb.LIVENESS_UNREACHABLE
            assert "--host gpu=" in operation.wait_reason
            request = pb.GetOperationRequest(operation_id=created.id, max_staleness=Duration())
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await registry.stub.GetOperation(request, timeout=60)
            assert reason_of_error(failed.value) == "HOST_UNREACHABLE"
            assert "no longer configured" in (failed.value.details() or "")
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            host.finish(created.session_id)
            await registry.state_reached(created.id, State.STATE_COMPLETED)
