"""The client library against the real registry: what is followed, retried, labelled, deleted and compared."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import (
    AsyncClient,
    FailedPrecondition,
    NotFound,
    OperationChanged,
    OperationDeleted,
    OperationLeft,
    PointsAdded,
)
from ktrdr_client.new_points import seqs_of

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host
from tests.support.simulated_host import State as SessionState

KILLED: Final = ServiceError(ErrorReason.ERROR_REASON_WORKER_KILLED, detail="Out of memory.").status()


@dataclass
class Served:
    registry: RegistryServer
    host: SimulatedHost
    client: AsyncClient


@dataclass
class Copy:
    """What a reader knows who only ever saw the events."""

    operations: dict[str, Operation] = field(default_factory=dict)
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    async def follow(self, client: AsyncClient, filter_text: str = "") -> None:
        async with aclosing(client.watch_events(filter_text=filter_text, include_metrics=True)) as events:
            async for event in events:
                match event:
                    case OperationChanged():
                        self.operations[event.operation.id] = event.operation
                    case OperationLeft() | OperationDeleted():
                        self.operations.pop(event.operation_id)
                    case PointsAdded():
                        for series in event.series:
                            told = self.points.setdefault(f"{event.operation_id}@{event.attempt} {series.name}", [])
                            told += zip(seqs_of(series), series.values, strict=True)

    def states(self) -> dict[str, str]:
        return {each.id: Operation.State.Name(each.state).removeprefix("STATE_") for each in self.operations.values()}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu-1={host.address}") as registry,
        AsyncClient(registry.address) as client,
    ):
        yield Served(registry, host, client)


async def test_a_copy_follows_states_points_retries_and_deletions(served: Served) -> None:
    whole, running = Copy(), Copy()
    tasks = [
        asyncio.create_task(whole.follow(served.client)),
        asyncio.create_task(running.follow(served.client, "state = RUNNING")),
    ]
    operation = await served.client.create_training("name: x", name="mine")
    await eventually(lambda: running.states() == {operation.id: "RUNNING"})
    for step in range(1, 6):
        served.host.write(f"{operation.id}-1", step, loss=1 / step)
    expected = [(seq, 1 / (seq + 1)) for seq in range(5)]
    await eventually(lambda: whole.points.get(f"{operation.id}@1 loss") == expected)
    served.host.finish(f"{operation.id}-1", SessionState.STATE_FAILED, error=KILLED)
    await eventually(lambda: whole.states() == {operation.id: "FAILED"})
    await eventually(lambda: running.states() == {})

    await served.client.update(operation.id, set_labels={"team": "a"}, notes="again")
    again = await served.client.retry(operation.id)
    assert (again.attempt, again.notes, again.labels["team"]) == (2, "again", "a")
    await eventually(lambda: running.states() == {operation.id: "RUNNING"})
    served.host.write(f"{operation.id}-2", 1, loss=0.25)
    await eventually(lambda: whole.points.get(f"{operation.id}@2 loss") == [(0, 0.25)])
    with pytest.raises(FailedPrecondition):
        await served.client.delete(operation.id)
    served.host.finish(f"{operation.id}-2")
    assert (await served.client.wait(operation.id, timeout=60)).completed
    assert list((await served.client.metrics(operation.id, attempt=1))["loss"].values) == [v for _, v in expected]

    await served.client.delete(operation.id)
    await eventually(lambda: whole.states() == {})
    assert whole.points[f"{operation.id}@1 loss"] == expected
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_lists_are_ordered_and_counted_by_the_service(served: Served) -> None:
    for name in ("beta", "alpha", "gamma"):
        await served.client.create_training("name: x", name=name)
    named = [each.display_name async for each in served.client.list(order_by="display_name", page_size=2)]
    assert named == ["alpha", "beta", "gamma"]
    page = await served.client.list_page('display_name = "a*"', page_size=1)
    assert [each.display_name for each in page.operations] == ["alpha"]
    assert (page.total_size, page.total_size_is_lower_bound) == (1, False)


async def test_runs_are_compared_in_one_call(served: Served) -> None:
    operations = [await served.client.create_training("name: x") for _ in range(2)]
    for index, operation in enumerate(operations):
        await served.registry.state_reached(operation.id, State.STATE_RUNNING)
        for step in range(1, 11):
            served.host.write(f"{operation.id}-1", step, loss=1 / (step + index), other=0.0)
        served.host.finish(f"{operation.id}-1")
        await served.client.wait(operation.id, timeout=60)
    found = await served.client.compare_metrics([each.id for each in operations], series=["loss"], from_step=6)
    assert list(found) == [each.id for each in operations]
    for index, metrics in enumerate(found.values()):
        assert list(metrics) == ["loss"]
        assert list(metrics["loss"].values) == [1 / (step + index) for step in range(6, 11)]
    with pytest.raises(NotFound):
        await served.client.compare_metrics([operations[0].id, "000000000000"])


async def test_waiting_ends_when_the_operation_is_deleted(served: Served) -> None:
    operation = await served.client.create_training("name: x", host="gpu-1")
    await served.registry.state_reached(operation.id, State.STATE_RUNNING)
    follow = asyncio.create_task(_next_deletion(served.client, operation.id))
    served.host.finish(f"{operation.id}-1")
    await served.client.wait(operation.id, timeout=60)
    await served.client.delete(operation.id)
    assert await follow == operation.id
    with pytest.raises(NotFound):
        await served.client.wait(operation.id)


async def _next_deletion(client: AsyncClient, operation_id: str) -> str:
    async with aclosing(client.watch_events([operation_id], known=[operation_id])) as events:
        async for event in events:
            if isinstance(event, OperationDeleted):
                return event.operation_id
    return ""
