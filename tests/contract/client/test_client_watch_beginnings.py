"""A watch that begins with everything as it is also tells what was there just before, and is gone by then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import AsyncClient, NotFound, OperationChanged, OperationDeleted

from tests.support.finished_operations import running_training
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

A, B = "op0000000000", "op0000000001"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        yield registry, client


async def test_what_was_deleted_before_the_watch_began_is_told(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(B))
    async with aclosing(client.watch_events(known=[A, B])) as events, asyncio.timeout(60):
        event = await anext(events)
        assert isinstance(event, OperationChanged)
        assert event.operation.id == B
        assert await anext(events) == OperationDeleted(A, 0)


async def test_a_wait_ends_for_an_operation_that_was_deleted_before_it_was_watched(
    served: tuple[SimulatedRegistry, AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, client = served
    await registry.put(running_training(A))
    get = client.get

    async def get_and_delete(operation_id: str) -> Operation:
        operation = await get(operation_id)
        await registry.delete(operation_id)  # it has ended, and somebody has deleted it, before the watch begins
        return operation

    monkeypatch.setattr(client, "get", get_and_delete)
    with pytest.raises(NotFound, match="was deleted while it was waited for"):
        await asyncio.wait_for(client.wait(A), 60)
