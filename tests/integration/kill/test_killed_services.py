"""Host and registry die again and again while sessions begin, work, are stopped, die and are settled."""

import sys
from pathlib import Path

import pytest

from tests.support.kills.run import run
from tests.support.kills.schedule import EVERYTHING, make_cases, make_strikes
from tests.support.kills.world import running_world

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
SEED = 4


async def test_nothing_is_lost_doubled_or_run_twice_while_services_are_killed(tmp_path: Path) -> None:
    async with running_world(tmp_path, slots=10) as world:
        cases = make_cases(SEED, 80, EVERYTHING, world.ledgers)
        strikes = make_strikes(SEED, 200, mean_seconds=0.15)
        report = await run(world, cases, strikes, seed=SEED, parallel=16)
    sys.stdout.write(f"seed {SEED}: {report}\n")
    assert not report.problems, f"seed {SEED}:\n" + "\n".join(report.problems)
