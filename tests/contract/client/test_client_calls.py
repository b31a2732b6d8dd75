"""Each call of the client over the wire: what it sends, what it returns, and what it raises."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from ktrdr.ib.v1.bars_pb2 import BAR_SIZE_1_DAY, Instrument
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr_client import (
    AlreadyExists,
    AsyncClient,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)

from tests.support.finished_operations import running_training
from tests.support.simulated_operations import SimulatedRegistry, rich_status, simulated_operations


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        yield registry, client


async def test_a_training_is_created_from_its_text(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    operation = await client.create_training(
        "name: x", overrides={"training.epochs": "20"}, name="mine", labels={"a": "b"}, host="gpu-1", source="replay"
    )
    (request,) = registry.requests
    assert isinstance(request, pb.CreateOperationRequest)
    assert operation.display_name == "mine"
    assert request.training.strategy == "name: x"
    assert dict(request.training.overrides) == {"training.epochs": "20"}
    assert request.training.WhichOneof("bars") == "stored"
    assert (request.host, dict(request.labels)) == ("gpu-1", {"a": "b"})
    assert request.request_id


async def test_bars_of_a_training_can_come_from_a_file(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    operation = await client.create_training("name: x", bars_path="/bars/aapl.parquet")
    assert operation.training.local.path == "/bars/aapl.parquet"


async def test_a_load_ends_with_the_last_day_in_full(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    operation = await client.create_data_load(
        ["AAPL", Instrument(symbol="EUR", currency="USD")], "1d", start="2000-03-01", end="2013-03-01"
    )
    spec = operation.data_load
    assert [each.symbol for each in spec.instruments] == ["AAPL", "EUR"]
    assert spec.bar_size == BAR_SIZE_1_DAY
    assert spec.start_time.ToJsonString() == "2000-03-01T00:00:00Z"
    assert spec.end_time.ToJsonString() == "2013-03-02T00:00:00Z"
    assert spec.use_rth


async def test_the_same_request_id_makes_the_same_operation(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    first = await client.create_training("name: x", request_id="r1")
    assert (await client.create_training("name: x", request_id="r1")).id == first.id
    assert (await client.create_training("name: x")).id != first.id


async def test_a_refused_strategy_names_each_field(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.refusals.append(
        rich_status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "STRATEGY_INVALID",
            "the strategy has 2 faults",
            fields=[("training.epochs", "must be at least 1"), ("model.typ", "unknown key; did you mean type?")],
            strategy="x",
        )
    )
    with pytest.raises(InvalidArgument) as caught:
        await client.create_training("name: x")
    error = caught.value
    assert error.reason == "STRATEGY_INVALID"
    assert error.metadata == {"strategy": "x"}
    assert [fault.field for fault in error.fields] == ["training.epochs", "model.typ"]
    assert "training.epochs: must be at least 1" in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", AlreadyExists),
        (grpc.StatusCode.FAILED_PRECONDITION, "NO_HOST_OF_KIND", FailedPrecondition),
        (grpc.StatusCode.NOT_FOUND, "HOST_NOT_FOUND", NotFound),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", ResourceExhausted),
    ],
)
async def test_each_family_of_refusals_has_its_exception(
    served: tuple[SimulatedRegistry, AsyncClient], code: grpc.StatusCode, reason: str, kind: type[Exception]
) -> None:
    registry, client = served
    registry.refusals.append(rich_status(code, reason, "no", retry_after=timedelta(seconds=3)))
    with pytest.raises(kind) as caught:
        await client.create_data_load("AAPL", "1d", start="2000-03-01", end="2000-04-01")
    assert vars(caught.value)["reason"] == reason
    assert vars(caught.value)["retry_after"] == timedelta(seconds=3)


async def test_unavailable_is_tried_again_and_runs_nothing_twice(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.refusals += [rich_status(grpc.StatusCode.UNAVAILABLE, "STOPPING", "stopping")] * 2
    operation = await client.create_training("name: x")
    assert list(registry.operations) == [operation.id]
    sent = [each.request_id for each in registry.requests if isinstance(each, pb.CreateOperationRequest)]
    assert len(sent) == 3
    assert len(set(sent)) == 1


async def test_other_refusals_are_not_tried_again(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.refusals += [rich_status(grpc.StatusCode.FAILED_PRECONDITION, "NO_HOST_OF_KIND", "no host")] * 2
    with pytest.raises(FailedPrecondition):
        await client.create_training("name: x")
    assert len(registry.requests) == 1


async def test_every_unary_call_has_a_deadline(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    operation = await registry.put(running_training("op0000000000"))
    registry.hosts.append(pb.HostRecord(name="training-host"))
    await client.get(operation.id, max_staleness=timedelta(seconds=1))
    await client.list_page()
    await client.metrics(operation.id)
    await client.cancel(operation.id)
    await client.hosts()
    await client.drain("training-host")
    assert len(registry.deadlines) == 6
    assert all(deadline is not None and 0 < deadline < 11 for deadline in registry.deadlines)


async def test_a_list_goes_over_all_pages(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    for index in range(7):
        await registry.put(running_training(f"op{index:010d}"))
    assert [operation.id async for operation in client.list(page_size=3)] == [
        f"op{index:010d}" for index in reversed(range(7))
    ]


async def test_a_bad_filter_says_where(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    with pytest.raises(InvalidArgument, match="operator is missing") as caught:
        await client.list_page("nonsense")
    assert caught.value.reason == "FILTER_INVALID"


async def test_an_unknown_operation_is_not_found(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    for call in (client.get("nope"), client.cancel("nope"), client.metrics("nope"), client.wait("nope")):
        with pytest.raises(NotFound, match="nope") as caught:
            await call
        assert caught.value.reason == "OPERATION_NOT_FOUND"


async def test_a_cancel_carries_its_reason(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    operation = await registry.put(running_training("op0000000000"))
    stopped = await client.cancel(operation.id, reason="wrong seed", now=True)
    assert stopped.state == pb.Operation.STATE_CANCELLING
    (request,) = registry.requests
    assert isinstance(request, pb.CancelOperationRequest)
    assert (request.reason, request.now) == ("wrong seed", True)


async def test_a_host_is_drained_and_put_back(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.hosts.append(pb.HostRecord(name="gpu-1"))
    assert (await client.drain("gpu-1")).draining
    assert not (await client.drain("gpu-1", undo=True)).draining
    with pytest.raises(NotFound):
        await client.drain("gpu-2")


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with AsyncClient("127.0.0.1:1") as client:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer") as caught:
            await client.hosts()
    assert caught.value.reason == ""


async def test_an_answer_that_is_late_is_a_deadline(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    async with AsyncClient(client.address, timeout_seconds=0.2) as hurried, registry.changed:
        with pytest.raises(DeadlineExceeded, match="in time"):
            await hurried.create_training("name: x")
