"""Sessions that hosts do not know any more: LOST with evidence, which is taken back, or ends them by a rule."""

from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

MISSING = pb.Loss.Rule.RULE_SESSION_MISSING
REPLACED = pb.Loss.Rule.RULE_HOST_REPLACED


async def lost(registry: RegistryServer, operation_id: str) -> pb.Operation:
    async def probe() -> pb.Operation | None:
        operation = await registry.get(operation_id)
        return operation if operation.liveness == pb.LIVENESS_LOST else None

    found = await eventually(probe)
    assert found is not None
    return found


async def running(registry: RegistryServer, host: SimulatedHost) -> pb.Operation:
    created = await registry.create()
    host.write(created.session_id, 1, loss=1.0)
    return await registry.state_reached(created.id, State.STATE_RUNNING)


def info_of(operation: pb.Operation) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in operation.error.details)
    return info


async def test_a_lost_session_keeps_its_state_and_says_what_is_known(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=600.0) as registry,
    ):
        created = await running(registry, host)
        async with registry.watch() as watch:
            host.remove(created.session_id)
            operation = await watch.until(lambda one: one.HasField("loss"))
        assert operation.state == State.STATE_RUNNING
        assert operation.liveness == pb.LIVENESS_LOST
        loss = (await registry.get(created.id)).loss
        assert loss.rule == MISSING
        assert (loss.expected_host_uid, loss.host_uid) == (host.host_uid, host.host_uid)
        assert created.session_id in loss.evidence
        assert 500 < loss.grace_left.ToTimedelta().total_seconds() <= 600


async def test_a_session_that_is_seen_again_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=600.0) as registry,
    ):
        created = await running(registry, host)
        session = host.sessions[created.session_id]
        host.remove(created.session_id)
        await lost(registry, created.id)
        session.message.removed = False
        host.sessions[created.session_id] = session
        async with registry.watch(operation_ids=[created.id]) as watch:
            host.write(created.session_id, 2, loss=0.5)
            back = await watch.until(lambda one: one.liveness == pb.LIVENESS_FRESH and one.metric_points == 2)
        assert not back.HasField("loss")
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert not ended.HasField("loss")
        assert await registry.points(created.id, "loss") == [(0, 1.0), (1, 0.5)]


async def test_what_the_host_tells_of_a_removed_session_is_its_end(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=600.0) as registry,
    ):
        host.keeps_tombstones = True
        created = await running(registry, host)
        host.finish(created.session_id)
        host.remove(created.session_id)  # before the poll could read it to its end
        await registry.state_reached(created.id, State.STATE_COMPLETED)


async def test_the_end_names_the_rule_and_the_evidence(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await running(registry, host)
        host.remove(created.session_id)
        failed = await registry.state_reached(created.id, State.STATE_FAILED)
        info = info_of(failed)
        assert info.reason == "HOST_LOST_SESSION"
        assert info.metadata["rule"] == "RULE_SESSION_MISSING"
        assert info.metadata["host_uid"] == host.host_uid
        assert info.metadata["since"]
        assert failed.loss.evidence == info.metadata["evidence"]
        assert failed.loss.evidence in failed.error.message
        assert not failed.loss.HasField("grace_left")


async def test_a_host_that_is_away_when_the_grace_ends_is_asked_when_it_is_back(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", clock=clock, lost_grace_seconds=600.0) as registry,
    ):
        created = await running(registry, host)
        session = host.sessions[created.session_id]
        async with registry.watch() as watch:
            host.remove(created.session_id)
            await watch.until(lambda one: one.HasField("loss"))
            await host.stop()
        operation = await lost(registry, created.id)
        clock.advance(601)

        async def over() -> bool:
            return (await registry.get(created.id)).loss.grace_left.ToTimedelta().total_seconds() == 0

        await eventually(over)
        assert operation.state == State.STATE_RUNNING
        session.message.removed = False
        host.sessions[created.session_id] = session  # its disk was mounted again
        await host.start()
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)


async def test_a_loss_survives_a_restart_and_so_does_its_end(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=600.0) as registry:
            created = await running(registry, host)
            host.remove(created.session_id)
            before = await lost(registry, created.id)
        async with registry_server(tmp_path, f"gpu={host.address}", lost_grace_seconds=600.0) as registry:
            after = await lost(registry, created.id)
            assert after.loss.since == before.loss.since
            assert after.loss.grace_left.ToTimedelta() <= before.loss.grace_left.ToTimedelta()
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            await registry.state_reached(created.id, State.STATE_FAILED)


async def test_a_wiped_host_loses_its_sessions_after_the_longer_grace(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", replaced_grace_seconds=0.3) as registry,
    ):
        created = await running(registry, host)
        before, host.host_uid = host.host_uid, "another"
        host.sessions.clear()
        host.touch_all()
        failed = await registry.state_reached(created.id, State.STATE_FAILED)
        assert failed.loss.rule == REPLACED
        info = info_of(failed)
        assert info.metadata["rule"] == "RULE_HOST_REPLACED"
        assert (info.metadata["expected_host_uid"], info.metadata["host_uid"]) == (before, "another")


async def test_the_host_that_was_replaced_may_come_back_under_its_name_or_another(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await running(registry, host)
        known, uid = dict(host.sessions), host.host_uid
        host.host_uid = "another"
        host.sessions.clear()
        host.touch_all()
        await lost(registry, created.id)
        async with simulated_host(host_uid=uid) as moved:
            moved.sessions.update(known)
            request = pb.RegisterHostRequest(name="gpu-2", address=moved.address, host_uid=uid)
            await registry.stub.RegisterHost(request, timeout=60)

            async def fresh() -> pb.Operation | None:
                operation = await registry.get(created.id)
                return operation if operation.liveness == pb.LIVENESS_FRESH else None

            back = await eventually(fresh)
            assert back is not None
            assert not back.HasField("loss")
            moved.finish(created.session_id)
            assert (await registry.state_reached(created.id, State.STATE_COMPLETED)).host == "gpu-2"


async def test_a_lost_operation_that_is_cancelled_stays_lost_until_the_rule_ends_it(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", clock=clock, lost_grace_seconds=600.0) as registry,
    ):
        created = await running(registry, host)
        host.remove(created.session_id)
        await lost(registry, created.id)
        await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=created.id), timeout=60)
        asked = await registry.get(created.id)
        assert (asked.state, asked.liveness) == (State.STATE_CANCELLING, pb.LIVENESS_LOST)
        clock.advance(601)
        failed = await registry.state_reached(created.id, State.STATE_FAILED)
        assert failed.cancel_requested
        assert host.cancels.count(created.session_id) <= 3


@pytest.mark.parametrize("answered", [True, False])
async def test_a_start_is_not_sent_to_another_host_in_the_place_of_the_first(tmp_path: Path, answered: bool) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            await registry.up("gpu")
            host.lost_start_answers = 0 if answered else 1_000
            host.status_failures = [grpc.StatusCode.UNAVAILABLE] * 1_000
            created = await registry.create()
            await eventually(lambda: created.session_id in host.sessions)
        host.host_uid, host.lost_start_answers, host.status_failures = "another", 0, []
        host.sessions.clear()
        host.starts.clear()
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            assert (await lost(registry, created.id)).loss.rule == REPLACED
            assert host.starts == []
