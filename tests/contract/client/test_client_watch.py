"""The watch of the client: it goes on by itself, misses nothing, repeats nothing, and never leaves a stream behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import AsyncClient, InvalidArgument, KtrdrError, NotFound, Unavailable, WaitTimeout

from tests.support.eventually import eventually
from tests.support.finished_operations import cancelled, completed, failed, running_training
from tests.support.free_ports import ReservedPort
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

ID = "op0000000000"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        yield registry, client


async def test_a_watch_begins_with_what_is_there(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(ID))
    async with aclosing(client.watch()) as changes:
        assert (await anext(changes)).id == ID
        changed = await registry.update(ID, cancel_reason="x")
        assert (await anext(changes)).revision == changed.revision


async def test_leaving_a_watch_ends_its_stream(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(ID))
    async for _ in client.watch():
        assert registry.open_watches == 1
        break
    await eventually(lambda: registry.open_watches == 0)


async def test_a_cancelled_watch_ends_its_stream(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served

    async def follow() -> None:
        async for _ in client.watch():
            pass

    task = asyncio.create_task(follow())
    await eventually(lambda: registry.open_watches == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: registry.open_watches == 0)


@pytest.mark.parametrize("end", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_a_watch_goes_on_where_its_stream_ended(
    served: tuple[SimulatedRegistry, AsyncClient], end: grpc.StatusCode
) -> None:
    registry, client = served
    await registry.put(running_training(ID))
    interruptions: list[KtrdrError] = []
    async with aclosing(client.watch(on_interruption=lambda error, _: interruptions.append(error))) as changes:
        revisions = [(await anext(changes)).revision]
        for _ in range(3):
            waiting = asyncio.ensure_future(anext(changes))
            await eventually(lambda: registry.open_watches == 1)
            await registry.end_streams(end)
            await registry.update(ID, cancel_reason="x")
            revisions.append((await waiting).revision)
    assert revisions == [1, 2, 3, 4]
    assert [request.after_revision for request in registry.watch_requests[:1]] == [0]
    assert all(request.after_revision >= 1 for request in registry.watch_requests[1:])
    assert interruptions


async def test_a_watch_survives_a_restart_of_the_service(tmp_path: object) -> None:  # noqa: ARG001 - a folder for the leak check
    registry, reserved = SimulatedRegistry(), ReservedPort()
    address = f"127.0.0.1:{reserved.number}"
    async with simulated_operations(registry, address=address):
        await registry.put(running_training(ID))
        client = AsyncClient(address)
        changes = client.watch([ID])
        assert (await anext(changes)).revision == 1
        waiting = asyncio.ensure_future(anext(changes))
        await eventually(lambda: registry.open_watches == 1)
    await registry.update(ID, cancel_reason="while it was away")
    async with simulated_operations(registry, address=address):
        assert (await waiting).revision == 2
        await changes.aclose()
        await client.close()


async def test_a_compacted_history_is_read_again_from_the_start(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(ID))
    await registry.put(running_training("op0000000001"))
    registry.oldest_revision = 2
    async with aclosing(client.watch(after_revision=1)) as changes:
        assert [(await anext(changes)).revision, (await anext(changes)).revision] == [1, 2]
    assert [request.after_revision for request in registry.watch_requests] == [1, 0]


async def test_a_bad_filter_ends_the_watch(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    with pytest.raises(InvalidArgument):
        await anext(client.watch(filter_text="nonsense"))


async def test_a_service_that_never_answered_is_an_error_at_once() -> None:
    async with AsyncClient("127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            await anext(client.watch())


@pytest.mark.parametrize(("end", "state"), [(completed, "COMPLETED"), (failed, "FAILED"), (cancelled, "CANCELLED")])
async def test_wait_returns_the_end(served: tuple[SimulatedRegistry, AsyncClient], end: object, state: str) -> None:
    registry, client = served
    operation = await registry.put(running_training(ID))
    waiting = asyncio.ensure_future(client.wait(ID, timeout=20))
    await eventually(lambda: registry.open_watches == 1)
    assert callable(end)
    await registry.put(end(operation))
    finished = await waiting
    assert finished.state == state
    await eventually(lambda: registry.open_watches == 0)
    if state == "COMPLETED":
        assert finished.error is None
        assert finished.training is not None
        assert finished.training.epochs == 4
        assert finished.raise_for_error() is finished
    else:
        assert finished.error is not None
        assert finished.error.reason in {"WORKER_KILLED", "CANCELLED"}
        with pytest.raises(type(finished.error)):
            finished.raise_for_error()


async def test_wait_returns_at_once_for_what_has_ended(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(completed(running_training(ID)))
    assert (await client.wait(ID)).completed


async def test_wait_ends_with_its_time_and_the_work_goes_on(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(ID))
    with pytest.raises(WaitTimeout, match=r"still RUNNING after 0\.1 s"):
        await client.wait(ID, timeout=0.1)
    await eventually(lambda: registry.open_watches == 0)
    assert registry.operations[ID].state == Operation.STATE_RUNNING


async def test_wait_for_an_unknown_operation_is_not_found(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    with pytest.raises(NotFound):
        await client.wait("nope", timeout=1)
