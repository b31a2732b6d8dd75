"""Operations that are stopped on a verdict, over the wire."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import trends_pb2 as trends

from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server, training_spec
from tests.support.simulated_host import SimulatedHost, simulated_host
from tests.support.trend_world import by_kind


@pytest.fixture
async def host() -> AsyncIterator[SimulatedHost]:
    async with simulated_host() as host:
        yield host


@pytest.fixture
async def registry(host: SimulatedHost, tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with registry_server(tmp_path, f"sim={host.address}", trend_interval_seconds=0.05) as registry:
        yield registry


async def test_a_verdict_stops_the_work_and_says_why(host: SimulatedHost, registry: RegistryServer) -> None:
    operation = await registry.create(stop_on=[trends.VERDICT_KIND_NOT_FINITE])
    other = await registry.create()
    for session_id in (operation.session_id, other.session_id):
        host.write(session_id, 1, train_loss=0.5)
        host.write(session_id, 2, train_loss=math.nan)
    cancelling = await registry.state_reached(operation.id, State.STATE_CANCELLING)
    assert cancelling.cancel_requested
    assert cancelling.cancel_reason == "stopped on NOT_FINITE of train_loss: nan at 2"
    assert by_kind(cancelling)["NOT_FINITE"].active
    await eventually(lambda: host.cancels == [operation.session_id])

    async def judged() -> bool:
        return "NOT_FINITE" in by_kind(await registry.get(other.id))

    await eventually(judged)
    assert (await registry.get(other.id)).state == State.STATE_RUNNING  # nobody asked for it to be stopped
    host.finish(operation.session_id, Session.State.STATE_CANCELLED)
    ended = await registry.state_reached(operation.id, State.STATE_CANCELLED)
    assert list(ended.stop_on) == [trends.VERDICT_KIND_NOT_FINITE]


async def test_a_retry_begins_without_verdicts_and_is_stopped_like_the_first(
    host: SimulatedHost, registry: RegistryServer
) -> None:
    operation = await registry.create(stop_on=[trends.VERDICT_KIND_NOT_FINITE])
    host.write(operation.session_id, 1, val_loss=math.inf)
    await registry.state_reached(operation.id, State.STATE_CANCELLING)
    host.finish(operation.session_id, Session.State.STATE_CANCELLED)
    ended = await registry.state_reached(operation.id, State.STATE_CANCELLED)
    request = pb.RetryOperationRequest(operation_id=operation.id)
    tried = (await registry.stub.RetryOperation(request, timeout=60)).operation
    assert (tried.attempt, list(tried.verdicts)) == (2, [])
    assert list(tried.past_attempts[0].verdicts) == list(ended.verdicts)
    await eventually(lambda: tried.session_id in host.sessions)
    host.write(tried.session_id, 1, val_loss=0.5)

    async def judged() -> bool:
        return list(by_kind(await registry.get(operation.id))) == ["BEST_EPOCH"]

    await eventually(judged)
    diagnosis = pb.DiagnoseOperationRequest(operation_id=operation.id, attempt=1)
    first = await registry.stub.DiagnoseOperation(diagnosis, timeout=60)
    assert (first.attempt, list(first.verdicts)) == (1, list(ended.verdicts))
    host.write(tried.session_id, 2, val_loss=math.nan)
    again = await registry.state_reached(operation.id, State.STATE_CANCELLING)
    assert again.cancel_reason == "stopped on NOT_FINITE of val_loss: nan at 2"


@pytest.mark.parametrize("kind", [trends.VERDICT_KIND_BEST_EPOCH, trends.VERDICT_KIND_UNSPECIFIED, 99])
async def test_what_cannot_be_stopped_on_is_refused(
    host: SimulatedHost, registry: RegistryServer, kind: "trends.VerdictKind.ValueType"
) -> None:
    request = pb.CreateOperationRequest(training=training_spec(), stop_on=[kind])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registry.stub.CreateOperation(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of_error(caught.value) == "INVALID_REQUEST"
    assert host.starts == []
