"""WatchOperations over the wire, read with the stock stub: what is told, what is refused, what is left behind."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.channel import open_channel
from services.operations.blocks import seqs_of
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, WatchReader, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

CODE = grpc.StatusCode


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer
    path: Path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", watch_limit_of_client=3) as registry,
    ):
        yield World(host, registry, tmp_path)


async def seqs(reader: WatchReader, wanted: int, series: str = "loss") -> list[int]:
    """Read on until so many points of a series have come."""
    found: list[int] = []
    while len(found) < wanted:
        for metrics in (await reader.next()).metrics:
            found += [seq for one in metrics.series if one.name == series for seq in seqs_of(one)]
    return found


async def test_points_come_with_the_snapshot_and_as_they_are_written(world: World) -> None:
    world.host.add("s")
    for step in range(3):
        world.host.write("s", step, loss=1.0 / (step + 1), rate=0.1)
    operation = await world.registry.found("s")
    await eventually(lambda: world.registry.points(operation.id, "loss"))
    async with world.registry.watch(include_metrics=True) as reader:
        assert await seqs(reader, 3) == [0, 1, 2]
        for step in range(3, 6):
            world.host.write("s", step, loss=0.1, rate=0.1)
        assert await seqs(reader, 3) == [3, 4, 5]


async def test_only_the_series_that_were_asked_for_come_and_none_unasked(world: World) -> None:
    world.host.add("s")
    world.host.write("s", 0, loss=1.0, rate=0.1)
    async with world.registry.watch(include_metrics=True, series=["rate"]) as some, world.registry.watch() as none:
        found = await some.next()
        while not found.metrics:
            found = await some.next()
        assert {one.name for one in found.metrics[0].series} == {"rate"}
        while (response := await none.next()).revision < found.revision:
            assert not response.metrics


async def test_who_leaves_the_filter_is_told_with_its_last_points(world: World) -> None:
    world.host.add("s")
    world.host.write("s", 0, loss=1.0)
    operation = await world.registry.found("s")
    async with world.registry.watch(filter="state = RUNNING", include_metrics=True) as reader:
        assert await seqs(reader, 1) == [0]
        world.host.write("s", 1, loss=0.5)
        world.host.finish("s")
        last: list[int] = []
        while True:
            response = await reader.next()
            last += [seq for metrics in response.metrics for one in metrics.series for seq in seqs_of(one)]
            if response.left_filter:
                break
        assert [left.operation_id for left in response.left_filter] == [operation.id]
        assert last == [1]


async def test_a_deletion_is_told_now_and_after_a_resume(world: World) -> None:
    world.host.add("s")
    operation = await world.registry.found("s")
    world.host.finish("s")
    await world.registry.state_reached(operation.id, pb.Operation.State.STATE_COMPLETED)
    before = (await world.registry.stub.ListOperations(pb.ListOperationsRequest(), timeout=60)).revision
    async with world.registry.watch(after_revision=before) as reader:
        assert (await reader.next()).bookmark
        await world.registry.stub.DeleteOperation(pb.DeleteOperationRequest(operation_id=operation.id), timeout=60)
        deleted = (await reader.next()).deleted
        assert [one.operation_id for one in deleted] == [operation.id]
        assert deleted[0].revision > before
    async with world.registry.watch(after_revision=before) as reader:
        assert [one.operation_id for one in (await reader.next()).deleted] == [operation.id]


async def test_equal_watches_are_told_the_same_and_each_from_where_it_is(world: World) -> None:
    world.host.add("s")
    await world.registry.found("s")
    async with world.registry.watch() as one, world.registry.watch() as two:
        for reader in (one, two):
            while not (await reader.next()).bookmark:
                pass
        for step in range(4):
            world.host.write("s", step, loss=0.1)
            told = [await one.until(_has_points(step + 1)), await two.until(_has_points(step + 1))]
            assert told[0].revision == told[1].revision


def _has_points(count: int) -> Callable[[pb.Operation], bool]:
    return lambda operation: operation.metric_points == count


async def test_one_connection_cannot_take_all_watches_and_another_one_still_gets_its_own(world: World) -> None:
    calls = [world.registry.stub.WatchOperations(pb.WatchOperationsRequest()) for _ in range(3)]
    for call in calls:
        assert await call.read()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.registry.stub.WatchOperations(pb.WatchOperationsRequest()).read()
    assert failed.value.code() is CODE.RESOURCE_EXHAUSTED
    assert reason_of_error(failed.value) == "TOO_MANY_WATCHES"
    assert "connection" in (failed.value.details() or "")
    async with open_channel(world.registry.address) as channel:
        other = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
        call = other.WatchOperations(pb.WatchOperationsRequest())
        assert await call.read()
        call.cancel()
    calls[0].cancel()
    await eventually(lambda: opened(world.registry))
    for call in calls:
        call.cancel()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"operation_ids": [str(number) for number in range(1_001)]}, "operation_ids"),
        ({"series": [str(number) for number in range(1_001)], "include_metrics": True}, "series"),
    ],
)
async def test_requests_that_name_too_much_are_refused(world: World, fields: dict[str, object], named: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.registry.stub.WatchOperations(pb.WatchOperationsRequest(**fields)).read()  # type: ignore[arg-type]  # as the case has it
    assert failed.value.code() is CODE.INVALID_ARGUMENT
    assert named in (failed.value.details() or "")


async def opened(registry: RegistryServer) -> bool:
    """Try to watch; return False if there is no room."""
    async with registry.watch() as reader:
        try:
            return bool(await reader.next())
        except grpc.aio.AioRpcError:
            return False


async def test_clients_that_go_leave_no_watch_behind(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}", watch_limit=5) as registry:
        host.add("s")
        for _ in range(3):
            async with open_channel(registry.address) as channel:
                stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
                calls = [stub.WatchOperations(pb.WatchOperationsRequest(include_metrics=True)) for _ in range(5)]
                for call in calls:  # as many as there may be
                    assert await call.read()
                assert not await opened(registry)
            # The channel is closed without a word to any of the calls.
            await eventually(lambda: opened(registry))
