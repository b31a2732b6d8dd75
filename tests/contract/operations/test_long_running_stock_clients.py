"""The stock clients of long-running operations, unchanged, against the registry: synchronous and for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
import pytest
from google.api_core import exceptions, operation, operation_async, operations_v1, retry
from google.api_core.future import async_future, polling
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.ib.v1 import ib_pb2
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1 import training_pb2

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, load_spec, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host
from tests.support.simulated_host import State as SessionState

T = TypeVar("T")
# The library has no types.
stock: Final[Any] = operations_v1
future_of: Final[Any] = operation_async.from_gapic
blocking_future_of: Final[Any] = operation.from_gapic
RESULT: Final = training_pb2.TrainingResult(epochs=4, best_epoch=3, test_accuracy=0.6)
QUICK: Final = retry.Retry(predicate=polling.RETRY_PREDICATE, initial=0.02, maximum=0.1)
QUICK_ASYNC: Final = retry.AsyncRetry(predicate=async_future.RETRY_PREDICATE, initial=0.02, maximum=0.1)


@dataclass
class Running:
    """A registry, a training host, an operation at work on it, and a stock client of each kind."""

    registry: RegistryServer
    host: SimulatedHost
    operation: pb.Operation
    client: Any
    stub_client: Any

    @property
    def name(self) -> str:
        return f"operations/{self.operation.id}"

    @property
    def session_id(self) -> str:
        return f"{self.operation.id}-1"

    async def future(self, result_type: type = training_pb2.TrainingResult) -> Any:
        """Return the operation as the future for asyncio."""
        told = await self.client.get_operation(self.name)
        return future_of(told, self.client, result_type, metadata_type=pb.Operation, retry=QUICK_ASYNC)

    async def blocking(self, use: Callable[[Any], T], result_type: type = training_pb2.TrainingResult) -> T:
        """Run `use` with the operation as the future for threads."""

        def work() -> T:
            told = self.stub_client.get_operation(self.name)
            future = blocking_future_of(told, self.stub_client, result_type, metadata_type=pb.Operation, polling=QUICK)
            return use(future)

        return await asyncio.to_thread(work)


async def all_of(running: Running, name: str, filter_text: str) -> list[str]:
    """Return the names of all operations in a list, over all its pages."""
    return [told.name async for told in await running.client.list_operations(name, filter_text)]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu-1={host.address}") as registry,
        grpc.aio.insecure_channel(registry.address) as channel,
    ):
        created = await registry.create(display_name="mine", labels={"team": "a"})
        created = await registry.state_reached(created.id, State.STATE_RUNNING)
        with grpc.insecure_channel(registry.address) as blocking_channel:
            yield Running(
                registry,
                host,
                created,
                stock.OperationsAsyncClient(channel),
                stock.OperationsClient(blocking_channel),
            )


async def test_the_result_comes_to_the_future_for_asyncio(running: Running) -> None:
    future = await running.future()
    assert not await future.done()
    assert (future.metadata.id, future.metadata.display_name) == (running.operation.id, "mine")
    assert future.metadata.training.strategy
    running.host.finish(running.session_id, result=RESULT)
    assert await future.result(timeout=60) == RESULT
    assert await future.done()
    assert future.metadata.state == State.STATE_COMPLETED
    assert future.metadata.WhichOneof("result") is None
    assert not await future.cancelled()
    assert await future.exception() is None


async def test_the_result_comes_to_the_future_for_threads(running: Running) -> None:
    def use(future: Any) -> tuple[Any, Any]:
        assert future.running()
        return future.result(timeout=60), future.metadata

    waiting = asyncio.create_task(running.blocking(use))
    await eventually(lambda: running.host.polls > 3)
    running.host.finish(running.session_id, result=RESULT)
    result, metadata = await waiting
    assert result == RESULT
    assert metadata.id == running.operation.id


async def test_a_failure_is_raised_with_its_code_and_reason(running: Running) -> None:
    error = ServiceError(ErrorReason.ERROR_REASON_WORKER_KILLED, detail="Out of memory.").status()
    running.host.finish(running.session_id, SessionState.STATE_FAILED, error=error)
    future = await running.future()
    with pytest.raises(exceptions.GoogleAPICallError) as caught:
        await future.result(timeout=60)
    assert error.message in str(caught.value)

    def use(future: Any) -> Any:
        return future.exception(timeout=60)

    blocked = await running.blocking(use)
    assert blocked.grpc_status_code.value[0] == error.code
    assert blocked.errors[0].details == error.details


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_cancel_reaches_the_host_and_counts_as_cancelled(running: Running, *, blocking: bool) -> None:
    if blocking:
        assert await running.blocking(lambda future: future.cancel())
    else:
        await (await running.future()).cancel()
    await eventually(lambda: running.session_id in running.host.cancels)
    error = ServiceError(ErrorReason.ERROR_REASON_CANCELLED).status()
    running.host.finish(running.session_id, SessionState.STATE_CANCELLED, error=error)
    await running.registry.state_reached(running.operation.id, State.STATE_CANCELLED)
    if blocking:
        assert await running.blocking(lambda future: future.cancelled())
    else:
        future = await running.future()
        assert await future.cancelled()
        assert future.operation.error.code == code_pb2.CANCELLED
        with pytest.raises(exceptions.GoogleAPICallError):
            await future.result(timeout=60)


async def test_a_cancel_of_what_has_ended_changes_nothing(running: Running) -> None:
    running.host.finish(running.session_id, result=RESULT)
    await running.registry.state_reached(running.operation.id, State.STATE_COMPLETED)
    await running.client.cancel_operation(running.name)
    assert (await running.future()).operation.response.Is(RESULT.DESCRIPTOR)
    assert not running.host.cancels


async def test_work_that_brings_nothing_has_an_empty_response(running: Running) -> None:
    running.host.finish(running.session_id)
    await running.registry.state_reached(running.operation.id, State.STATE_COMPLETED)
    future = await running.future(Empty)
    assert await future.result(timeout=60) == Empty()


async def test_lists_are_paged_and_filtered_by_the_stock_clients(running: Running) -> None:
    names = {running.name}
    for _ in range(6):
        names.add(f"operations/{(await running.registry.create()).id}")
    assert set(await all_of(running, "operations", "type = TRAINING")) == names
    assert await all_of(running, "operations", 'labels.team = "a" AND state = RUNNING') == [running.name]
    assert await all_of(running, "operations", "type = DATA_LOAD") == []

    def in_thread() -> set[str]:
        return {told.name for told in running.stub_client.list_operations("operations", "")}

    assert await asyncio.to_thread(in_thread) == names


async def test_pages_are_as_large_as_asked_for(running: Running) -> None:
    names = [running.name] + [f"operations/{(await running.registry.create()).id}" for _ in range(4)]
    async with grpc.aio.insecure_channel(running.registry.address) as channel:
        stub: Any = operations_pb2_grpc.OperationsStub(channel)
        request = operations_pb2.ListOperationsRequest(name="operations", page_size=2)
        pages: list[list[str]] = []
        while not pages or request.page_token:
            page = await stub.ListOperations(request, timeout=60)
            pages.append([told.name for told in page.operations])
            request.page_token = page.next_page_token
        assert pages == [names[:2:-1], names[2:0:-1], names[:1]]
        request.page_token = "nonsense"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListOperations(request, timeout=60)
        assert reason_of_error(caught.value) == "PAGE_TOKEN_INVALID"


async def test_errors_are_those_of_the_stock_clients(running: Running) -> None:
    with pytest.raises(exceptions.NotFound, match="There is no operation") as not_found:
        await running.client.get_operation("operations/000000000000")
    assert not_found.value.reason == "OPERATION_NOT_FOUND"
    assert not_found.value.domain == "ktrdr"
    with pytest.raises(exceptions.NotFound, match="latest attempt is 1"):
        await running.client.get_operation(f"{running.name}@2")
    for name in (running.operation.id, "operations/", "operations/a/b", f"{running.name}@0", f"{running.name}@x", ""):
        with pytest.raises(exceptions.InvalidArgument) as invalid:
            await running.client.get_operation(name)
        assert invalid.value.reason == "INVALID_REQUEST"
    with pytest.raises(exceptions.InvalidArgument) as filtered:
        await all_of(running, "operations", "state ==")
    assert filtered.value.reason == "FILTER_INVALID"
    with pytest.raises(exceptions.InvalidArgument, match="name"):
        await all_of(running, "projects/x/operations", "")
    with pytest.raises(exceptions.NotFound):
        await running.client.cancel_operation("operations/000000000000")


async def test_what_has_ended_is_deleted_with_all_its_attempts(running: Running) -> None:
    with pytest.raises(exceptions.FailedPrecondition) as early:
        await running.client.delete_operation(running.name)
    assert early.value.reason == "WRONG_STATE"
    running.host.finish(running.session_id, result=RESULT)
    await running.registry.state_reached(running.operation.id, State.STATE_COMPLETED)
    with pytest.raises(exceptions.InvalidArgument, match="not deleted by itself"):
        await running.client.delete_operation(f"{running.name}@1")
    await running.client.delete_operation(running.name)
    await running.client.delete_operation(running.name)
    with pytest.raises(exceptions.NotFound):
        await running.client.get_operation(running.name)
    with pytest.raises(exceptions.NotFound):
        await running.client.delete_operation("operations/000000000000")


async def test_an_attempt_that_was_retried_stays_as_it_ended(running: Running) -> None:
    error = ServiceError(ErrorReason.ERROR_REASON_WORKER_KILLED, detail="Out of memory.").status()
    running.host.finish(running.session_id, SessionState.STATE_FAILED, error=error)
    await running.registry.state_reached(running.operation.id, State.STATE_FAILED)
    await running.registry.stub.RetryOperation(pb.RetryOperationRequest(operation_id=running.operation.id), timeout=60)
    await running.registry.state_reached(running.operation.id, State.STATE_RUNNING)
    first = await running.client.get_operation(f"{running.name}@1")
    assert (first.done, first.error) == (True, error)
    metadata = pb.Operation()
    assert first.metadata.Unpack(metadata)
    assert (metadata.attempt, metadata.state, metadata.session_id) == (1, State.STATE_FAILED, running.session_id)
    assert not (await running.client.get_operation(running.name)).done
    await running.client.cancel_operation(f"{running.name}@1")
    assert (await running.registry.get(running.operation.id)).state == State.STATE_RUNNING
    running.host.finish(f"{running.operation.id}-2", result=RESULT)
    assert await (await running.future()).result(timeout=60) == RESULT
    assert (await running.client.get_operation(f"{running.name}@2")).done


async def test_one_attempt_has_a_name_of_its_own(running: Running) -> None:
    told = await running.client.get_operation(f"{running.name}@1")
    assert told.name == f"{running.name}@1"
    assert not told.done


async def test_a_load_is_unpacked_too(tmp_path: Path) -> None:
    async with (
        simulated_host(HostKind.HOST_KIND_IB) as host,
        registry_server(tmp_path, f"ib-1={host.address}") as registry,
        grpc.aio.insecure_channel(registry.address) as channel,
    ):
        created = await registry.create(data_load=load_spec())
        await registry.state_reached(created.id, State.STATE_RUNNING)
        client = stock.OperationsAsyncClient(channel)
        told = await client.get_operation(f"operations/{created.id}")
        future = future_of(told, client, ib_pb2.DataLoadResult, metadata_type=pb.Operation, retry=QUICK_ASYNC)
        result = ib_pb2.DataLoadResult(loads=[ib_pb2.InstrumentLoad(range_rows=21)])
        host.finish(f"{created.id}-1", result=result)
        assert await future.result(timeout=60) == result
        assert future.metadata.data_load == load_spec()
