"""Workers die by the hundred, at random rows and moments; the services stay."""

import sys
from pathlib import Path

import pytest

from tests.support.kills.run import run
from tests.support.kills.schedule import WORKER_KILLS, make_cases
from tests.support.kills.world import running_world

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
SEED = 20


async def test_whatever_a_killed_worker_wrote_is_delivered_once_in_order(tmp_path: Path) -> None:
    async with running_world(tmp_path, slots=10) as world:
        cases = make_cases(SEED, 130, WORKER_KILLS, world.ledgers)
        report = await run(world, cases, [], seed=SEED, parallel=14)
    sys.stdout.write(f"seed {SEED}: {report}\n")
    assert not report.problems, f"seed {SEED}:\n" + "\n".join(report.problems)
