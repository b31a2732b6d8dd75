"""What the ledger of a load counts is also told, whenever the load is broken off."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from ktrdr.host.v1 import host_pb2

from services.host.task_runner import TaskRunner
from services.ib_host.loading.keeping import Keeping
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import ib_host, load_spec


async def test_a_chunk_that_is_being_stored_when_the_host_stops_has_its_point_of_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, stopping = threading.Event(), threading.Event()
    keep, shutdown = Keeping.keep, TaskRunner.shutdown
    kept: list[int] = []

    def held_up(*args: Any, **options: Any) -> object:
        kept.append(0)
        if len(kept) == 3:
            held.set()
            assert stopping.wait(60)
        return keep(*args, **options)

    async def told(runner: TaskRunner) -> None:
        ending = asyncio.create_task(shutdown(runner))
        await asyncio.wait([ending], timeout=0.05)
        stopping.set()
        await ending

    monkeypatch.setattr(Keeping, "keep", held_up)
    monkeypatch.setattr(TaskRunner, "shutdown", told)
    async with FaultyGateway() as gateway:
        async with ib_host(tmp_path, gateway.address) as host:
            await host.start_load(load_spec("AAPL"), session_id="op-1")
            assert await asyncio.to_thread(held.wait, 60)
        async with ib_host(tmp_path, gateway.address) as host:
            ended = await host.ended("op-1")
            status = await host.host.GetStatus(host_pb2.GetStatusRequest(), timeout=20)
    rows = next(metric for metric in status.sessions[0].metrics if metric.name == "rows")
    assert list(rows.steps) == list(range(1, int(ended.progress.completed) + 1))
