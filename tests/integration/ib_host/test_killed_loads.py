"""SIGKILL at the worst moments, again and again: nothing that is done is asked for again, and no bar is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf import json_format
from ktrdr.ib.v1 import ib_pb2

from services.ib_host.replay.messages import Inbound
from services.ib_host.store.bar_store import BarStore
from tests.support.faulty_gateway import FaultyGateway, hang_up
from tests.support.ib_host import ib_host, load_spec, result_of
from tests.support.loaded_bars import Mode, asked, day, ledger_of, mode_spec, source_rows, stored_rows

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]  # several hosts start, one after the other


async def dies(home: Path, gateway: FaultyGateway, spec: ib_pb2.DataLoadSpec, point: str) -> None:
    """Run a host that goes on with the load until it kills itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.dying_host", str(home), gateway.address, point),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    await process.communicate(json_format.MessageToJson(spec).encode())
    assert process.returncode == -signal.SIGKILL


def repeated(lives: Sequence[Sequence[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return the requests that a life made although an earlier one had made them."""
    seen: set[tuple[str, str]] = set()
    again = []
    for life in lives:
        again += [request for request in life if request in seen]
        seen |= set(life)
    return again


async def test_a_load_that_is_killed_at_every_step_ends_with_every_bar(tmp_path: Path) -> None:
    points = ("in a merge", "between store and record", "in a line of the ledger")
    spec = load_spec("AAPL")
    async with FaultyGateway() as gateway:
        lives = []
        for point in points:
            before = len(asked(gateway))
            await dies(tmp_path, gateway, spec, point)
            lives.append(asked(gateway)[before:])
        before = len(asked(gateway))
        async with ib_host(tmp_path, gateway.address) as host:
            load = result_of(await host.ended("op-1")).loads[0]
        lives.append(asked(gateway)[before:])
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
    assert len(repeated(lives)) <= len(points)  # of each life the one chunk that was under way
    assert load.range_rows == 3270
    assert load.verdict.complete
    ledger = ledger_of(tmp_path, load.dataset.key)
    assert ledger.unknown(day(2000, 3, 1), day(2013, 3, 2)) == []


async def test_a_repair_that_is_killed_at_every_step_ends_with_one_version(tmp_path: Path) -> None:
    points = ("after a repair was begun", "in a repair", "between a repair and its records")
    async with FaultyGateway(now=day(2005, 2, 1)) as gateway:
        async with ib_host(tmp_path, gateway.address) as host:
            old = result_of(await host.load(load_spec("AAPL", start=day(2000, 3, 1)))).loads[0]
        rows = stored_rows(tmp_path, old.dataset.key)
        gateway.move_to(day(2005, 6, 1))
        new_rows = source_rows(gateway, "AAPL", end=day(2005, 6, 1))
        for point in points:
            await dies(tmp_path, gateway, mode_spec(Mode.MODE_TAIL), point)
            assert stored_rows(tmp_path, old.dataset.key) in (rows, new_rows)
        async with ib_host(tmp_path, gateway.address) as host:
            load = result_of(await host.ended("op-1")).loads[0]
    assert stored_rows(tmp_path, load.dataset.key) == new_rows
    assert not (BarStore(tmp_path).folder(load.dataset.key) / "repair").exists()
    assert ledger_of(tmp_path, load.dataset.key).unknown(day(2000, 3, 1), day(2005, 6, 1)) == []


async def test_a_gateway_that_is_killed_again_and_again_costs_nothing_but_time(tmp_path: Path) -> None:
    async with FaultyGateway(latency_ms=20) as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.HISTORICAL_DATA, None, hang_up, hang_up, None, hang_up, hang_up)
        load = result_of(await host.load(load_spec("AAPL"))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
        assert len(asked(gateway)) == load.done_chunks + 4
