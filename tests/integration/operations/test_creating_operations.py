"""Operations on their way to a host: accepted, refused, full, lost answers, hosts that are down."""

import asyncio
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.common.errors import FieldViolation, ServiceError, status_of_call
from tests.support.eventually import eventually
from tests.support.registry_server import State, load_spec, reason_of_error, registry_server, training_spec
from tests.support.simulated_host import SimulatedHost, simulated_host

REFUSAL = ServiceError(
    ErrorReason.ERROR_REASON_STRATEGY_INVALID,
    fields=[FieldViolation("training.epochs", "at least 1")],
    detail="training.epochs: at least 1",
).status()


def refusing(host: SimulatedHost) -> None:
    host.refusal = REFUSAL


async def test_an_operation_runs_on_a_host_and_brings_its_result(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(display_name="first", labels={"team": "a"})
        assert created.state in {State.STATE_QUEUED, State.STATE_RUNNING}
        assert created.host == "gpu"
        assert created.session_id == f"{created.id}-1"
        session = host.sessions[created.session_id].message
        assert dict(session.labels) == {"team": "a"}
        host.write(created.session_id, 1, loss=0.5)
        host.finish(created.session_id, result=TrainingResult(epochs=1))
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert ended.display_name == "first"
        assert ended.training == training_spec()
        assert ended.metric_points == 1
        assert ended.liveness == pb.LIVENESS_UNSPECIFIED
        assert len(host.starts) == 1


async def test_operations_go_to_the_host_of_their_kind(tmp_path: Path) -> None:
    async with (
        simulated_host() as gpu,
        simulated_host(HostKind.HOST_KIND_IB) as ib,
        registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry,
    ):
        training = await registry.create()
        load = await registry.create(data_load=load_spec())
        assert (training.host, load.host) == ("gpu", "ib")
        assert load.type == pb.OPERATION_TYPE_DATA_LOAD


async def test_the_least_busy_host_is_chosen(tmp_path: Path) -> None:
    async with (
        simulated_host() as busy,
        simulated_host() as idle,
        registry_server(tmp_path, f"a-busy={busy.address}", f"b-idle={idle.address}") as registry,
    ):
        busy.add("other")
        await registry.found("other")
        await registry.up("a-busy", "b-idle")
        assert (await registry.create()).host == "b-idle"


async def test_a_refusal_is_the_creators_error_and_leaves_nothing(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        refusing(host)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await registry.create(request_id="r")
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of_error(failed.value) == "STRATEGY_INVALID"
        status = status_of_call(failed.value)
        assert status is not None
        bad = error_details_pb2.BadRequest()
        assert any(detail.Unpack(bad) for detail in status.details)
        assert bad.field_violations[0].field == "training.epochs"
        assert await registry.all() == []
        host.refusal = None
        created = await registry.create(request_id="r")  # the request_id was not used up
        assert created.state != State.STATE_PENDING


async def test_a_refusal_after_the_answer_fails_the_operation(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
    ):
        refusing(host)
        await registry.up("gpu")
        host.answers.clear()
        created = await registry.create()
        assert created.state == State.STATE_PENDING
        host.answers.set()
        failed = await registry.state_reached(created.id, State.STATE_FAILED)
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        assert any(detail.Unpack(info) for detail in failed.error.details)
        assert any(detail.Unpack(bad) for detail in failed.error.details)
        assert info.reason == "INVALID_SPEC"
        assert info.metadata["host_reason"] == "STRATEGY_INVALID"
        assert bad.field_violations[0].field == "training.epochs"


async def test_a_lost_answer_is_settled_by_asking_again(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.lost_start_answers = 2
        created = await registry.create()
        assert created.state in {State.STATE_QUEUED, State.STATE_RUNNING}
        assert set(host.starts) == {created.session_id}
        assert list(host.sessions) == [created.session_id]
        assert len(await registry.all()) == 1


async def test_a_full_host_leaves_it_pending_and_is_asked_again(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
    ):
        host.full = True
        created = await registry.create()
        assert created.state == State.STATE_PENDING
        assert "takes nothing more now" in created.wait_reason
        host.full = False
        running = await registry.state_reached(created.id, State.STATE_RUNNING)
        assert running.wait_reason == ""


async def test_a_host_that_is_down_at_the_start_gets_its_work_when_it_is_back(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create()
            assert created.state == State.STATE_PENDING
            assert "ktrdr hosts list" in created.wait_reason
            await host.start()
            await registry.state_reached(created.id, State.STATE_RUNNING)
            assert host.starts == [created.session_id]


async def test_what_was_pending_is_sent_after_a_restart_of_the_registry(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create(request_id="r")
        await host.start()
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            await registry.state_reached(created.id, State.STATE_RUNNING)
            again = await registry.create(request_id="r")
            assert again.id == created.id
            assert len(await registry.all()) == 1


async def test_the_same_request_twice_at_the_same_time_creates_one_operation(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.delay_seconds = 0.2
        created = await asyncio.gather(*(registry.create(request_id="r") for _ in range(5)))
        assert len({operation.id for operation in created}) == 1
        assert len(host.starts) == 1
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await registry.create(request_id="r", display_name="another body")
        assert failed.value.code() is grpc.StatusCode.ALREADY_EXISTS
        assert reason_of_error(failed.value) == "REQUEST_ID_REUSED"


async def test_a_drained_host_gets_no_new_work_also_after_a_restart(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            drained = await registry.stub.DrainHost(pb.DrainHostRequest(host="gpu"), timeout=60)
            assert drained.host.draining
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create()
            assert created.state == State.STATE_PENDING
            assert "--undo" in created.wait_reason
            await registry.stub.DrainHost(pb.DrainHostRequest(host="gpu", undo=True), timeout=60)
            await registry.state_reached(created.id, State.STATE_RUNNING)


async def test_a_session_that_ends_before_its_start_is_answered_is_not_lost(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.lost_start_answers = 1
        async with registry.watch() as watch:
            creating = asyncio.create_task(registry.create())
            await eventually(lambda: host.sessions)
            (session_id,) = host.sessions
            host.finish(session_id, Session.State.STATE_COMPLETED)
            created = await creating
            ended = await watch.until(lambda operation: operation.state == State.STATE_COMPLETED)
            assert ended.id == created.id
