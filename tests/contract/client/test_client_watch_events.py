"""All that a watch tells: applied one after the other, its events keep a copy that is right whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import AsyncClient, OperationChanged, OperationDeleted, OperationLeft, PointsAdded, WatchEvent

from tests.support.eventually import eventually
from tests.support.finished_operations import completed, running_training
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

A, B = "op0000000000", "op0000000001"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        yield registry, client


def points(first_seq: int, *values: float, name: str = "loss", operation_id: str = A) -> pb.OperationMetrics:
    series = MetricSeries(
        name=name,
        first_seq=first_seq,
        steps=range(first_seq, first_seq + len(values)),
        values=values,
        times=[0] * len(values),
    )
    return pb.OperationMetrics(operation_id=operation_id, attempt=1, incarnation="i", series=[series])


async def next_event(events: AsyncIterator[WatchEvent]) -> WatchEvent:
    async with asyncio.timeout(60):
        return await anext(events)


async def test_what_leaves_the_filter_is_told(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(A))
    async with aclosing(client.watch_events(filter_text="state = RUNNING")) as events:
        assert isinstance(await next_event(events), OperationChanged)
        ended = await registry.put(completed(registry.operations[A]))
        assert await next_event(events) == OperationLeft(A, ended.revision)
        again = await registry.put(running_training(A))
        assert await next_event(events) == OperationChanged(again)


async def test_deletions_are_told_once_and_only_of_what_the_reader_has(
    served: tuple[SimulatedRegistry, AsyncClient],
) -> None:
    registry, client = served
    await registry.put(running_training(A))
    await registry.put(running_training(B))
    revision = registry.revision
    async with aclosing(client.watch_events(after_revision=revision, known=[B])) as events:
        waiting = asyncio.ensure_future(next_event(events))
        await eventually(lambda: registry.open_watches == 1)
        await registry.delete(A)
        await registry.delete(B)
        assert await waiting == OperationDeleted(B, registry.revision)


async def test_each_point_comes_once_though_streams_break(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training(A))
    await registry.add_points(points(0, 0.5, 0.4))
    async with aclosing(client.watch_events(include_metrics=True, series=["loss"])) as events:
        assert isinstance(await next_event(events), OperationChanged)
        first = await next_event(events)
        assert isinstance(first, PointsAdded)
        assert [list(each.values) for each in first.series] == [[0.5, 0.4]]
        waiting = asyncio.ensure_future(next_event(events))
        await eventually(lambda: registry.open_watches == 1)
        await registry.end_streams()
        await registry.add_points(points(1, 0.4, 0.3))  # overlaps with what has come already
        second = await waiting
        assert isinstance(second, PointsAdded)
        (series,) = second.series
        assert (series.first_seq, list(series.values), list(series.steps)) == (2, [0.3], [2])
    assert list(registry.watch_requests[0].series) == ["loss"]
    assert registry.watch_requests[-1].include_metrics


async def test_points_with_gaps_keep_their_numbers(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    async with aclosing(client.watch_events(include_metrics=True)) as events:
        waiting = asyncio.ensure_future(next_event(events))
        await eventually(lambda: registry.open_watches == 1)
        await registry.add_points(points(0, 0.5))
        await waiting
        sparse = MetricSeries(
            name="loss", first_seq=0, seqs=[0, 4, 9], steps=[0, 4, 9], values=[1, 2, 3], times=[0] * 3
        )
        await registry.add_points(pb.OperationMetrics(operation_id=A, attempt=1, incarnation="i", series=[sparse]))
        event = await next_event(events)
        assert isinstance(event, PointsAdded)
        assert [list(each.seqs) for each in event.series] == [[4, 9]]


@pytest.mark.parametrize(
    ("filter_text", "gone"), [("", OperationDeleted(A, 0)), ("state = RUNNING", OperationLeft(A, 0))]
)
async def test_a_copy_is_right_after_everything_was_read_anew(
    served: tuple[SimulatedRegistry, AsyncClient], filter_text: str, gone: WatchEvent
) -> None:
    registry, client = served
    await registry.put(running_training(A))
    await registry.put(running_training(B))
    copy: dict[str, Operation] = {}
    async with aclosing(client.watch_events(filter_text=filter_text)) as events:
        for _ in range(2):
            event = await next_event(events)
            assert isinstance(event, OperationChanged)
            copy[event.operation.id] = event.operation
        waiting = asyncio.ensure_future(next_event(events))
        await eventually(lambda: registry.open_watches == 1)
        # While the stream is down an operation goes, and its tombstone too.
        async with registry.changed:
            del registry.operations[A]
            registry.revision += 5
            registry.oldest_revision = registry.revision
        await registry.end_streams(grpc.StatusCode.UNAVAILABLE)
        event = await waiting
        assert isinstance(event, OperationChanged)
        assert event.operation.id == B
        assert await next_event(events) == gone
    assert [request.after_revision for request in registry.watch_requests[:3]] == [0, 2, 0]
