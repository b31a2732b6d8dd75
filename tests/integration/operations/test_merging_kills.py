"""Killed while it merges blocks, the registry has lost no point and doubled none."""

import asyncio
import random
import signal
import sys
from pathlib import Path

from tests.support.metric_blocks import Row
from tests.support.stored_histories import stored_histories

ROWS = 6_000
KILLS = 5


def rows_of(count: int) -> list[Row]:
    return [{"loss": float(place), "rate": 0.5} if place % 3 else {"loss": float(place)} for place in range(count)]


async def test_kill_minus_nine_while_blocks_are_merged(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with stored_histories(path) as world:
        operation = await world.operation("op")
        await world.write(operation, rows_of(ROWS))
        await world.end(operation)
        expected = sorted(world.told["op", 1])
    rng, counts, ended = random.Random(7), [ROWS], False
    for _ in range(KILLS):
        ended = await _killed_after(path, rng.randint(1, 3), rng.uniform(0.0, 0.04))
        async with stored_histories(path) as world:
            counts.append(await world.block_count("op"))
            assert sorted(await world.read("op")) == expected
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < ROWS, "no kill came while there was something to do"
    assert ended or counts[-1] > 1
    async with stored_histories(path) as world:
        await world.merge_all()
        assert await world.block_count("op") == 1
        assert sorted(await world.read("op")) == expected


async def _killed_after(path: Path, steps: int, seconds: float) -> bool:
    """Let a process merge, and kill it so long after some steps; return whether it had ended before."""
    command = (sys.executable, "-m", "tests.support.merging_victim", str(path))
    victim = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    for _ in range(1 + steps):
        await victim.stdout.readline()
    await asyncio.sleep(seconds)  # not to wait for anything: the moment of the kill is what is tried
    if victim.returncode is None:
        victim.kill()
    return await victim.wait() != -signal.SIGKILL
