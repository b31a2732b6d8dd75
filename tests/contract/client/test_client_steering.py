"""The calls of the client that change operations and hosts: what they send, what they return, and what they raise."""

from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import trends_pb2
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import AlreadyExists, AsyncClient, FailedPrecondition, InvalidArgument, NotFound

from tests.support.finished_operations import completed, failed, running_training
from tests.support.simulated_operations import SimulatedRegistry, rich_status, simulated_operations

ID = "op0000000000"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        await registry.put(running_training(ID))
        yield registry, client


async def test_a_retry_is_one_attempt_more(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(failed(registry.operations[ID]))
    again = await client.retry(ID, overrides={"training.epochs": "9"}, from_checkpoint=True, host="gpu-1")
    assert (again.attempt, again.state) == (2, Operation.STATE_PENDING)
    assert [past.attempt for past in again.past_attempts] == [1]
    (request,) = registry.requests
    assert isinstance(request, pb.RetryOperationRequest)
    assert dict(request.overrides) == {"training.epochs": "9"}
    assert (request.from_checkpoint, request.host) == (True, "gpu-1")
    assert request.request_id


async def test_a_retry_that_is_sent_again_keeps_its_request_id(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(failed(registry.operations[ID]))
    registry.refusals += [rich_status(grpc.StatusCode.UNAVAILABLE, "STOPPING", "stopping")] * 2
    await client.retry(ID)
    sent = [each.request_id for each in registry.requests if isinstance(each, pb.RetryOperationRequest)]
    assert len(sent) == 3
    assert len(set(sent)) == 1


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "CHECKPOINT_NOT_FOUND", FailedPrecondition),
        (grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_ATTEMPTS", FailedPrecondition),
        (grpc.StatusCode.INVALID_ARGUMENT, "STRATEGY_INVALID", InvalidArgument),
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", AlreadyExists),
    ],
)
async def test_refused_retries_have_their_exceptions(
    served: tuple[SimulatedRegistry, AsyncClient], code: grpc.StatusCode, reason: str, kind: type[Exception]
) -> None:
    registry, client = served
    registry.refusals.append(rich_status(code, reason, "no"))
    with pytest.raises(kind) as caught:
        await client.retry(ID)
    assert vars(caught.value)["reason"] == reason


async def test_what_has_not_ended_is_neither_retried_nor_deleted(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    for call in (client.retry(ID), client.delete(ID)):
        with pytest.raises(FailedPrecondition, match="has not ended") as caught:
            await call
        assert caught.value.reason == "WRONG_STATE"


async def test_an_update_changes_only_what_is_given(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.operations[ID].labels.update({"old": "1", "kept": "2"})
    updated = await client.update(ID, set_labels={"team": "a"}, remove_labels=["old"], notes="good seed")
    assert dict(updated.labels) == {"kept": "2", "team": "a"}
    assert updated.notes == "good seed"
    assert updated.display_name == registry.operations[ID].display_name != ""
    (request,) = registry.requests
    assert isinstance(request, pb.UpdateOperationRequest)
    assert not request.HasField("display_name")
    assert (await client.update(ID, notes="")).notes == ""
    assert (await client.update(ID, name="other")).display_name == "other"


async def test_a_deleted_operation_is_gone_and_may_be_deleted_again(
    served: tuple[SimulatedRegistry, AsyncClient],
) -> None:
    registry, client = served
    await registry.put(completed(registry.operations[ID]))
    await client.delete(ID, keep_sessions=True)
    await client.delete(ID)
    with pytest.raises(NotFound):
        await client.get(ID)
    assert isinstance(registry.requests[0], pb.DeleteOperationRequest)
    assert registry.requests[0].keep_sessions


async def test_a_diagnosis_takes_words_and_thresholds(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.diagnosis = pb.DiagnoseOperationResponse(
        verdicts=[
            trends_pb2.Verdict(kind=trends_pb2.VERDICT_KIND_PLATEAU),
            trends_pb2.Verdict(kind=trends_pb2.VERDICT_KIND_NOT_FINITE),
        ],
        points=40,
    )
    found = await client.diagnose(ID, thresholds={"plateau_epochs": 5}, kinds=["nan"])
    assert [verdict.kind for verdict in found.verdicts] == [trends_pb2.VERDICT_KIND_NOT_FINITE]
    assert (found.attempt, found.points, dict(found.thresholds)) == (1, 40, {"plateau_epochs": 5.0})
    with pytest.raises(ValueError, match="'nope' is no verdict; choose from best-epoch, plateau"):
        await client.diagnose(ID, kinds=["nope"])


async def test_a_training_can_be_stopped_on_verdicts(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await client.create_training("name: x", stop_on=["nan", "NO_LEARNING"])
    (request,) = registry.requests
    assert isinstance(request, pb.CreateOperationRequest)
    assert list(request.stop_on) == [trends_pb2.VERDICT_KIND_NOT_FINITE, trends_pb2.VERDICT_KIND_NO_LEARNING]


async def test_a_host_is_announced_and_forgotten(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.hosts.append(pb.HostRecord(name="fixed", source=pb.HostRecord.SOURCE_CONFIGURED))
    answer = await client.register_host("gpu-7", "10.0.0.7:5002", host_uid="u7", lease=timedelta(seconds=90))
    assert (answer.host.name, answer.host.address, answer.lease.seconds) == ("gpu-7", "10.0.0.7:5002", 90)
    assert (await client.register_host("gpu-7", "10.0.0.8:5002")).lease.seconds == 60
    await client.unregister_host("gpu-7")
    assert [record.name for record in await client.hosts()] == ["fixed"]
    with pytest.raises(NotFound):
        await client.unregister_host("gpu-7")
    with pytest.raises(FailedPrecondition):
        await client.unregister_host("fixed")
    registry.refusals.append(rich_status(grpc.StatusCode.ALREADY_EXISTS, "HOST_NAME_TAKEN", "taken"))
    with pytest.raises(AlreadyExists):
        await client.register_host("gpu-7", "10.0.0.9:5002")


async def test_a_list_comes_in_the_order_that_is_asked_for(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    for index, name in enumerate(["beta", "gamma", "alpha"], start=1):
        operation = running_training(f"op{index:010d}")
        operation.display_name = name
        await registry.put(operation)
    named = [each.display_name async for each in client.list("state = RUNNING", order_by="display_name desc")]
    assert named == sorted(named, reverse=True)
    assert len(named) == 4
    page = await client.list_page(order_by="display_name", page_size=2)
    assert [each.display_name for each in page.operations] == ["alpha", "beta"]
    assert page.total_size == 4


async def test_every_changing_call_has_a_deadline(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(completed(registry.operations[ID]))
    await client.retry(ID)
    await registry.put(completed(running_training(ID)))
    await client.update(ID, notes="x")
    await client.diagnose(ID)
    await client.delete(ID)
    await client.register_host("a", "b:1")
    await client.unregister_host("a")
    assert len(registry.deadlines) == 6
    assert all(deadline is not None and 0 < deadline < 11 for deadline in registry.deadlines)
