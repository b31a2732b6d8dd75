"""RetryOperation, UpdateOperation and DeleteOperation over the wire: for each a good call and each documented error."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.retry import retry_request
from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.registry_server import RegistryServer, State, load_spec, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

CODE = grpc.StatusCode


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer

    async def ended(self, **fields: Any) -> pb.Operation:
        """Return an operation that has completed."""
        created = await self.registry.create(**fields)
        self.host.finish(created.session_id)
        return await self.registry.state_reached(created.id, State.STATE_COMPLETED)

    def retry(self, operation_id: str, **fields: Any) -> "grpc.aio.UnaryUnaryCall[Any, pb.RetryOperationResponse]":
        return self.registry.stub.RetryOperation(
            pb.RetryOperationRequest(operation_id=operation_id, **fields), timeout=60
        )

    def update(self, operation_id: str, **fields: Any) -> "grpc.aio.UnaryUnaryCall[Any, pb.Operation]":
        return self.registry.stub.UpdateOperation(
            pb.UpdateOperationRequest(operation_id=operation_id, **fields), timeout=60
        )

    def delete(self, operation_id: str, **fields: Any) -> "grpc.aio.UnaryUnaryCall[Any, pb.DeleteOperationResponse]":
        return self.registry.stub.DeleteOperation(
            pb.DeleteOperationRequest(operation_id=operation_id, **fields), timeout=60
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        yield World(host, registry)


async def test_retry_answers_with_the_next_attempt(world: World) -> None:
    ended = await world.ended()
    operation = (await world.retry(ended.id, request_id="r")).operation
    assert (operation.id, operation.attempt) == (ended.id, 2)
    assert operation.state in {State.STATE_PENDING, State.STATE_QUEUED, State.STATE_RUNNING}
    again = (await world.retry(ended.id, request_id="r")).operation
    assert again.attempt == 2


async def test_retry_of_what_is_not_there(world: World) -> None:
    refused = await refusal(world.retry("0" * 12))
    assert (refused.code, refused.reason) == (CODE.NOT_FOUND, "OPERATION_NOT_FOUND")


async def test_retry_of_what_has_not_ended(world: World) -> None:
    created = await world.registry.create()
    refused = await refusal(world.retry(created.id))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "WRONG_STATE")
    assert f"ktrdr ops cancel {created.id}" in refused.message


async def test_retry_with_wrong_fields(world: World) -> None:
    ended = await world.ended()
    for fields, wrong in (
        ({"request_id": "not printable \n"}, "request_id"),
        ({"overrides": {" ": "1"}}, "overrides"),
        ({"host": "gpu", "from_checkpoint": False, "overrides": {"": "1"}}, "overrides"),
    ):
        refused = await refusal(world.retry(ended.id, **fields))
        assert (refused.code, refused.reason) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert refused.fields == [wrong]


async def test_retry_on_a_host_that_is_not_there(world: World) -> None:
    ended = await world.ended()
    refused = await refusal(world.retry(ended.id, host="none"))
    assert (refused.code, refused.reason) == (CODE.NOT_FOUND, "HOST_NOT_FOUND")


async def test_retry_where_no_host_is_of_the_kind(world: World) -> None:
    ended = await world.ended()
    world.host.kind = HostKind.HOST_KIND_IB  # the host's software was exchanged
    world.host.touch(ended.session_id)

    async def noticed() -> bool:
        hosts = await world.registry.stub.ListHosts(pb.ListHostsRequest(), timeout=60)
        return hosts.hosts[0].kind == HostKind.HOST_KIND_IB

    await eventually(noticed)
    refused = await refusal(world.retry(ended.id))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "NO_HOST_OF_KIND")


async def test_retry_from_a_checkpoint_that_the_host_has_not(world: World) -> None:
    ended = await world.ended()
    reason = ErrorReason.ERROR_REASON_CHECKPOINT_NOT_FOUND
    world.host.refusal = ServiceError(reason, session_id=ended.session_id, detail="").status()
    refused = await refusal(world.retry(ended.id, from_checkpoint=True))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "CHECKPOINT_NOT_FOUND")
    assert world.host.training_starts[-1].checkpoint_session_id == ended.session_id
    assert (await world.registry.get(ended.id)).attempt == 1


async def test_retry_from_a_checkpoint_on_another_host(world: World) -> None:
    ended = await world.ended()
    refused = await refusal(world.retry(ended.id, from_checkpoint=True, host="other"))
    assert (refused.code, refused.reason, refused.fields) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST", ["host"])


async def test_retry_from_a_checkpoint_of_what_no_host_ever_had(tmp_path: Path) -> None:
    async with registry_server(tmp_path, "gpu=127.0.0.1:1", create_wait_seconds=0.2) as registry:
        created = await registry.create()
        await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=created.id), timeout=60)
        retry = pb.RetryOperationRequest(operation_id=created.id, from_checkpoint=True)
        refused = await refusal(registry.stub.RetryOperation(retry, timeout=60))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "CHECKPOINT_NOT_FOUND")


async def test_retry_goes_on_from_the_checkpoint(world: World) -> None:
    ended = await world.ended()
    tried = (await world.retry(ended.id, from_checkpoint=True)).operation
    assert tried.checkpoint_session_id == ended.session_id
    assert world.host.training_starts[-1].checkpoint_session_id == ended.session_id
    assert tried.host == "gpu"
    world.host.finish(tried.session_id)
    await world.registry.state_reached(ended.id, State.STATE_COMPLETED)
    assert (await world.retry(ended.id)).operation.checkpoint_session_id == ""


async def test_retry_too_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_request, "MOST_ATTEMPTS", 2)
    ended = await world.ended()
    world.host.finish((await world.retry(ended.id)).operation.session_id)
    await world.registry.state_reached(ended.id, State.STATE_COMPLETED)
    refused = await refusal(world.retry(ended.id))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "TOO_MANY_ATTEMPTS")


async def test_retry_of_a_session_that_a_process_of_its_own_opened(world: World) -> None:
    world.host.add("notebook", attached=True)
    found = await world.registry.found("notebook")
    world.host.finish("notebook")
    await world.registry.state_reached(found.id, State.STATE_COMPLETED)
    refused = await refusal(world.retry(found.id))
    assert (refused.code, refused.reason) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == ["operation_id"]


async def test_retry_with_a_request_id_of_something_else(world: World) -> None:
    ended = await world.ended(request_id="r")
    refused = await refusal(world.retry(ended.id, request_id="r"))
    assert (refused.code, refused.reason) == (CODE.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_retry_whose_caller_hangs_up_goes_on(world: World) -> None:
    ended = await world.ended()
    world.host.delay_seconds = 0.3
    call = world.retry(ended.id)
    await eventually(lambda: f"{ended.id}-2" in world.host.starts)
    call.cancel()
    running = await world.registry.state_reached(ended.id, State.STATE_RUNNING)
    assert running.attempt == 2


async def test_update_answers_with_the_operation(world: World) -> None:
    created = await world.registry.create(labels={"a": "1"})
    told = await world.update(created.id, set_labels={"b": "2"}, remove_labels=["a"], notes="n", display_name="d")
    assert (dict(told.labels), told.notes, told.display_name) == ({"b": "2"}, "n", "d")
    assert (await world.update(created.id, display_name="")).display_name == ""


async def test_update_of_what_is_not_there(world: World) -> None:
    refused = await refusal(world.update("0" * 12, notes="n"))
    assert (refused.code, refused.reason) == (CODE.NOT_FOUND, "OPERATION_NOT_FOUND")


async def test_update_with_wrong_fields(world: World) -> None:
    created = await world.registry.create(labels={f"k{number}": "" for number in range(60)})
    for fields, wrong in (
        ({"set_labels": {"no good": "1"}}, "set_labels['no good']"),
        ({"set_labels": {"a": "x" * 256}}, "set_labels['a']"),
        ({"set_labels": {f"n{number}": "" for number in range(5)}}, "set_labels"),
        ({"notes": "x" * 10_001}, "notes"),
        ({"display_name": "x" * 201}, "display_name"),
        ({"set_labels": {"a": "1"}, "remove_labels": ["a"]}, "remove_labels"),
    ):
        refused = await refusal(world.update(created.id, **fields))
        assert (refused.code, refused.reason) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert refused.fields == [wrong]
    assert (await world.update(created.id, notes="x" * 10_000)).labels == created.labels


async def test_delete_removes_and_may_be_repeated(world: World) -> None:
    ended = await world.ended()
    assert await world.delete(ended.id) == pb.DeleteOperationResponse()
    assert await world.delete(ended.id, keep_sessions=True) == pb.DeleteOperationResponse()
    refused = await refusal(world.registry.get(ended.id))
    assert refused.reason == "OPERATION_NOT_FOUND"
    await eventually(lambda: not world.host.sessions)


async def test_delete_of_what_is_not_there(world: World) -> None:
    refused = await refusal(world.delete("0" * 12))
    assert (refused.code, refused.reason) == (CODE.NOT_FOUND, "OPERATION_NOT_FOUND")


async def test_delete_of_what_has_not_ended(world: World) -> None:
    created = await world.registry.create()
    refused = await refusal(world.delete(created.id))
    assert (refused.code, refused.reason) == (CODE.FAILED_PRECONDITION, "WRONG_STATE")
    world.host.finish(created.session_id, Session.State.STATE_CANCELLED)
    await world.registry.state_reached(created.id, State.STATE_CANCELLED)
    await world.delete(created.id)


async def test_overrides_of_a_load_are_refused(tmp_path: Path) -> None:
    async with (
        simulated_host(HostKind.HOST_KIND_IB) as host,
        registry_server(tmp_path, f"ib={host.address}") as registry,
    ):
        world = World(host, registry)
        ended = await world.ended(data_load=load_spec())
        refused = await refusal(world.retry(ended.id, overrides={"a": "1"}))
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ["overrides"])
        refused = await refusal(world.retry(ended.id, from_checkpoint=True))
        assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ["from_checkpoint"])
        assert (await world.retry(ended.id)).operation.attempt == 2


async def test_kinds_of_verdicts_that_stop_it_are_kept_and_wrong_ones_refused(world: World) -> None:
    created = await world.registry.create(stop_on=[5, 4, 5])
    assert list(created.stop_on) == [4, 5]
    refused = await refusal(world.registry.create(stop_on=[4, 0, 99]))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ["stop_on[1]", "stop_on[2]"])
