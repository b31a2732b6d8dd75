"""DiagnoseOperation and verdicts of operations, over the wire."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import trends_pb2 as trends
from ktrdr.operations.v1.trends_pb2 import Verdict, VerdictKind

from services.operations.identifiers import derived_operation_id
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@pytest.fixture
async def host() -> AsyncIterator[SimulatedHost]:
    async with simulated_host() as host:
        yield host


@pytest.fixture
async def registry(host: SimulatedHost, tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with registry_server(tmp_path, f"sim={host.address}", trend_interval_seconds=0.05) as registry:
        yield registry


def overfitted(host: SimulatedHost, session_id: str, epochs: int = 40) -> None:
    """Let a session report losses of a training that overfits from epoch 10 on."""
    for epoch in range(1, epochs + 1):
        val_loss = 1 / epoch if epoch <= 10 else 0.1 * 1.03 ** (epoch - 10)
        host.write(session_id, epoch, train_loss=0.9 / epoch, val_loss=val_loss)


def kinds(verdicts: "list[Verdict]") -> dict[str, bool]:
    """Return which kinds there are, and whether they hold."""
    return {VerdictKind.Name(each.kind).removeprefix("VERDICT_KIND_"): each.active for each in verdicts}


async def diagnose(registry: RegistryServer, operation_id: str, **fields: object) -> pb.DiagnoseOperationResponse:
    request = pb.DiagnoseOperationRequest(operation_id=operation_id, **fields)  # type: ignore[arg-type]  # fields of the request
    return await registry.stub.DiagnoseOperation(request, timeout=60)


async def found(registry: RegistryServer, host: SimulatedHost, session_id: str) -> pb.Operation:
    """Wait until the operation of a session has appeared."""
    operation_id = derived_operation_id(host.host_uid, session_id)

    async def probe() -> pb.Operation | None:
        try:
            return await registry.get(operation_id)
        except grpc.aio.AioRpcError:
            return None

    operation = await eventually(probe)
    assert operation is not None
    return operation


async def refusal(registry: RegistryServer, request: Message) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registry.stub.DiagnoseOperation(request, timeout=60)  # type: ignore[arg-type]  # it is one
    return caught.value.code(), reason_of_error(caught.value)


async def test_verdicts_of_an_operation_at_work(host: SimulatedHost, registry: RegistryServer) -> None:
    host.add("mine")
    overfitted(host, "mine")
    operation = await found(registry, host, "mine")

    async def judged() -> pb.Operation | None:
        now = await registry.get(operation.id)
        return now if trends.VERDICT_KIND_OVERFITTING in {each.kind for each in now.verdicts} else None

    shown = await eventually(judged)
    assert shown is not None
    assert kinds(list(shown.verdicts)) == {"BEST_EPOCH": True, "PLATEAU": True, "OVERFITTING": True}
    best, _, overfitting = shown.verdicts
    assert (best.series, best.figures["best_step"], best.figures["best"]) == ("val_loss", 10, 0.1)
    assert overfitting.severity == trends.SEVERITY_CRITICAL
    assert (overfitting.from_step, overfitting.to_step) == (10, 40)
    diagnosed = await diagnose(registry, operation.id)
    assert list(diagnosed.verdicts) == list(shown.verdicts)
    assert (diagnosed.attempt, diagnosed.points) == (1, 80)


async def test_the_end_comes_with_the_last_verdicts(host: SimulatedHost, registry: RegistryServer) -> None:
    host.add("mine")
    overfitted(host, "mine", epochs=20)
    operation = await found(registry, host, "mine")
    async with registry.watch(after_revision=operation.revision, operation_ids=[operation.id]) as watch:
        host.write("mine", 21, train_loss=0.01, val_loss=0.001)
        host.finish("mine")
        ended = await watch.until(lambda each: each.state == State.STATE_COMPLETED)
    assert ended.verdicts[0].figures["best_step"] == 21
    assert ended.verdicts[0].last_seen == ended.verdicts[0].first_seen
    assert list((await diagnose(registry, operation.id)).verdicts) == list(ended.verdicts)


async def test_a_session_that_is_found_ended_is_judged(host: SimulatedHost, registry: RegistryServer) -> None:
    host.add("old")
    host.write("old", 1, train_loss=0.5)
    host.write("old", 2, train_loss=float("nan"))
    host.finish("old", Session.State.STATE_FAILED)
    ended = await found(registry, host, "old")
    assert kinds(list(ended.verdicts)) == {"BEST_EPOCH": True, "NOT_FINITE": True}
    assert list((await diagnose(registry, ended.id)).verdicts) == list(ended.verdicts)


async def test_other_thresholds_and_kinds(host: SimulatedHost, registry: RegistryServer) -> None:
    host.add("mine")
    overfitted(host, "mine", epochs=40)
    host.finish("mine")
    operation = await found(registry, host, "mine")
    await registry.state_reached(operation.id, State.STATE_COMPLETED)
    strict = await diagnose(registry, operation.id, thresholds={"overfitting_rise": 5.0, "plateau_epochs": 100})
    assert kinds(list(strict.verdicts)) == {"BEST_EPOCH": True}
    assert strict.thresholds["overfitting_rise"] == 5.0
    assert strict.thresholds["divergence_ratio"] == 2.0
    only = await diagnose(registry, operation.id, kinds=[trends.VERDICT_KIND_PLATEAU])
    assert kinds(list(only.verdicts)) == {"PLATEAU": True}
    assert "PLATEAU" in kinds(list((await registry.get(operation.id)).verdicts))  # nothing was kept of the questions


async def test_refusals(host: SimulatedHost, registry: RegistryServer) -> None:
    host.add("mine")
    operation = await found(registry, host, "mine")
    invalid = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    request = pb.DiagnoseOperationRequest
    assert await refusal(registry, request(operation_id="no-such-one")) == (
        grpc.StatusCode.NOT_FOUND,
        "OPERATION_NOT_FOUND",
    )
    assert await refusal(registry, request(operation_id=operation.id, attempt=2)) == invalid
    assert await refusal(registry, request(operation_id=operation.id, thresholds={"plateau": 1})) == invalid
    assert await refusal(registry, request(operation_id=operation.id, thresholds={"plateau_epochs": 0.5})) == invalid
    nan = float("nan")
    assert await refusal(registry, request(operation_id=operation.id, thresholds={"stalled_seconds": nan})) == invalid
    assert await refusal(registry, request(operation_id=operation.id, kinds=[99])) == invalid  # type: ignore[list-item]  # on purpose
    nothing = await diagnose(registry, operation.id)
    assert (list(nothing.verdicts), nothing.points) == ([], 0)
