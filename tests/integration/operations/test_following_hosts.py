"""What hosts do appears in the registry: over the wire, from simulated hosts."""

import asyncio
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult

from tests.support.eventually import eventually
from tests.support.registry_server import State, registry_server
from tests.support.simulated_host import simulated_host


async def test_a_session_started_on_a_host_appears_and_is_followed_to_its_end(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("by-hand")
        host.write("by-hand", 1, loss=0.5)
        operation = await registry.found("by-hand")
        assert operation.state == State.STATE_RUNNING
        assert operation.type == pb.OPERATION_TYPE_TRAINING
        assert operation.host == "gpu"

        host.write("by-hand", 2, loss=0.25)
        host.finish("by-hand", result=TrainingResult(epochs=2))
        ended = await registry.state_reached(operation.id, State.STATE_COMPLETED)
        assert ended.training_result.epochs == 2
        assert ended.metric_points == 2
        assert [(value.name, value.value, value.step) for value in ended.latest_metrics] == [("loss", 0.25, 2)]
        assert await registry.points(operation.id, "loss") == [(0, 0.5), (1, 0.25)]
        assert [one.id for one in await registry.all()] == [operation.id]


async def test_a_watch_shows_the_snapshot_a_bookmark_and_then_changes(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        host.add("s")
        operation = await registry.found("s")
        async with registry.watch() as watch:
            first = await watch.next()
            assert [one.id for one in first.operations] == [operation.id]
            while not (bookmark := await watch.next()).bookmark:  # its host may have come into sight since
                assert [one.id for one in bookmark.operations] == [operation.id]
            assert not bookmark.operations
            host.write("s", 1, loss=1.0)
            changed = await watch.until(lambda one: one.metric_points == 1)
            assert changed.revision > bookmark.revision


async def test_a_read_can_ask_for_fresh_data(tmp_path: Path) -> None:
    lazy: dict[str, Any] = {
        "poll_wait_seconds": 0.05,
        "poll_min_interval_seconds": 600.0,
        "poll_max_interval_seconds": 600.0,
    }
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}", **lazy) as registry:
        host.add("s")
        async with registry.watch() as watch:
            operation = await watch.until(lambda one: one.session_id == "s")
        host.answers.clear()  # a poll may still be under way
        host.write("s", 1, loss=0.5)
        assert (await registry.get(operation.id)).metric_points == 0
        request = pb.GetOperationRequest(operation_id=operation.id, max_staleness=Duration(nanos=1))
        reading = asyncio.ensure_future(registry.stub.GetOperation(request, timeout=60))
        await eventually(lambda: host.held)
        assert not reading.done()
        host.answers.set()
        fresh = await reading
        assert fresh.metric_points == 1
        assert fresh.staleness.ToTimedelta().total_seconds() < 60
        assert fresh.liveness == pb.LIVENESS_FRESH
