"""What an operation gets to work with, and what is told of the process behind it."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import Device
from ktrdr.host.v1.session_pb2 import CancelStage, HostKind, Session, SessionOptions, Thinning

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.registry_server import State, load_spec, reason_of_error, registry_server
from tests.support.simulated_host import simulated_host

OPTIONS = SessionOptions(gpus=2, memory_limit_bytes=2**30, niceness=5, threads=3, timeout=Duration(seconds=60))


async def test_options_go_to_the_host_with_each_start_and_stay_with_the_operation(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
    ):
        host.full = True
        created = await registry.create(options=OPTIONS)
        host.full = False
        await registry.state_reached(created.id, State.STATE_RUNNING)
        assert len(host.options) > 1
        assert all(options == OPTIONS for options in host.options)
        host.finish(created.session_id)
        assert (await registry.state_reached(created.id, State.STATE_COMPLETED)).options == OPTIONS
        assert not (await registry.create()).HasField("options")
        assert host.options[-1] is None


async def test_options_of_a_pending_load_survive_a_restart(tmp_path: Path) -> None:
    options = SessionOptions(timeout=Duration(seconds=9))
    async with simulated_host(HostKind.HOST_KIND_IB) as host:
        await host.stop()
        async with registry_server(tmp_path, f"ib={host.address}", create_wait_seconds=0.2) as registry:
            created = await registry.create(data_load=load_spec(), options=options)
            assert created.state == State.STATE_PENDING
        await host.start()
        async with registry_server(tmp_path, f"ib={host.address}") as registry:
            await registry.state_reached(created.id, State.STATE_RUNNING)
        assert host.options == [options]


async def test_other_options_are_another_request(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(request_id="r", options=OPTIONS)
        assert (await registry.create(request_id="r", options=OPTIONS)).id == created.id
        for other in (None, SessionOptions(gpus=1), SessionOptions()):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await registry.create(request_id="r", options=other)
            assert reason_of_error(failed.value) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    "options",
    [SessionOptions(niceness=20), SessionOptions(timeout=Duration()), SessionOptions(timeout=Duration(seconds=-1))],
)
async def test_options_that_no_host_would_take_are_refused_at_once(tmp_path: Path, options: SessionOptions) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await registry.create(options=options)
        assert reason_of_error(failed.value) == "INVALID_REQUEST"
        assert "options." in (failed.value.details() or "")
        assert host.starts == []


async def test_too_few_devices_are_the_creators_error(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.refusal = ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_DEVICES, asked=2, available=1).status()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await registry.create(options=OPTIONS)
        assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert reason_of_error(failed.value) == "TOO_FEW_DEVICES"
        assert await registry.all() == []


async def test_a_host_with_enough_gpus_is_chosen_though_it_is_busier(tmp_path: Path) -> None:
    async with (
        simulated_host() as small,
        simulated_host() as large,
        registry_server(tmp_path, f"a-small={small.address}", f"b-large={large.address}") as registry,
    ):
        cpu = Device(name="cpu")
        small.devices = [cpu, Device(name="cuda:0")]
        large.devices = [cpu, Device(name="cuda:0"), Device(name="cuda:1")]
        large.add("other")
        await registry.found("other")
        await registry.up("a-small", "b-large")
        assert (await registry.create(options=OPTIONS)).host == "b-large"
        assert (await registry.create()).host == "a-small"


async def test_the_worker_is_told_while_it_works_and_not_after(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(options=OPTIONS)
        thinning = Thinning(generation=2, complete_from_seq=40, rows_left_out=30)
        host.update(
            created.session_id,
            worker_liveness=Session.WORKER_LIVENESS_ALIVE,
            worker_pid=4711,
            devices=["cuda:0", "cuda:1"],
            thinning=thinning,
            cancel_stage=CancelStage.CANCEL_STAGE_ASKED,
            cancel_grace_left=Duration(seconds=20),
            time_left=Duration(seconds=50),
        )

        async def told() -> bool:
            return (await registry.get(created.id)).worker_pid == 4711

        await eventually(told)
        operation = await registry.get(created.id)
        assert operation.worker_liveness == Session.WORKER_LIVENESS_ALIVE
        assert list(operation.devices) == ["cuda:0", "cuda:1"]
        assert operation.thinning == thinning
        assert not operation.metrics_incomplete
        assert operation.cancel_stage == CancelStage.CANCEL_STAGE_ASKED
        assert 0 < operation.cancel_grace_left.ToTimedelta() / timedelta(seconds=1) <= 20
        assert 0 < operation.time_left.ToTimedelta() / timedelta(seconds=1) <= 50
        message = host.sessions[created.session_id].message
        message.worker_liveness = Session.WORKER_LIVENESS_ENDED
        message.cancel_stage = CancelStage.CANCEL_STAGE_KILLED
        host.finish(created.session_id, Session.STATE_CANCELLED)
        ended = await registry.state_reached(created.id, State.STATE_CANCELLED)
        assert ended.worker_pid == 0
        assert ended.worker_liveness == Session.WORKER_LIVENESS_ENDED
        assert ended.cancel_stage == CancelStage.CANCEL_STAGE_KILLED
        assert not ended.HasField("cancel_grace_left")
        assert not ended.HasField("time_left")
        assert ended.options == OPTIONS


async def test_times_that_are_left_run_down_between_answers_and_are_no_change(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", clock=clock, poll_wait_seconds=60.0) as registry,
    ):
        created = await registry.create()
        host.update(created.session_id, cancel_grace_left=Duration(seconds=4), time_left=Duration(seconds=30))

        async def told() -> bool:
            return (await registry.get(created.id)).time_left.seconds == 30

        await eventually(told)
        revision = (await registry.get(created.id)).revision
        await host.stop()
        clock.advance(5)
        later = await registry.get(created.id)
        assert later.time_left.seconds == 25
        assert later.cancel_grace_left.ToTimedelta() == timedelta(0)
        assert later.HasField("cancel_grace_left")
        assert later.revision == revision


async def test_a_session_of_a_users_own_process_appears_with_its_name(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("mine", display_name="my notebook", attached=True, options=SessionOptions(threads=2))
        operation = await registry.found("mine")
        assert (operation.display_name, operation.attached) == ("my notebook", True)
        assert operation.options.threads == 2
        assert [one.id for one in await registry.all('display_name = "my notebook"')] == [operation.id]
