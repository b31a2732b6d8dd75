"""Workers and hosts die while journals that have reached their bound are thinned."""

import sys
from pathlib import Path

import pytest

from tests.support.kills.run import run
from tests.support.kills.schedule import THINNING, make_cases, make_strikes
from tests.support.kills.world import running_world

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]
SEED = 7


async def test_what_a_thinned_journal_should_have_is_delivered_once_in_order(tmp_path: Path) -> None:
    async with running_world(tmp_path, slots=10) as world:
        cases = make_cases(SEED, 20, THINNING, world.ledgers, limit_bytes=600_000, rows=10_000)
        strikes = make_strikes(SEED, 200, mean_seconds=0.7)
        report = await run(world, cases, strikes, seed=SEED, parallel=10)
    sys.stdout.write(f"seed {SEED}: {report}\n")
    assert not report.problems, f"seed {SEED}:\n" + "\n".join(report.problems)
    assert report.states["whose journal was thinned"] >= 8
