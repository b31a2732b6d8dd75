"""Kill a running system for minutes: `python -m tests.soak [--seconds 300] [--seed N]`.

Rounds of the kill tests' own machinery, each with the next seed, until the time is up: workers, keepers, host and
registry are killed while sessions begin, work, are stopped and are settled, with journals that are bounded and not.
Exits with 1 when a round finds something wrong: it tells the round's seed, and leaves its folder as it was.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.kills.examination import Report
from tests.support.kills.run import run
from tests.support.kills.schedule import EVERYTHING, make_cases, make_strikes
from tests.support.kills.world import running_world

CASES = 80
BOUNDS = (0, 0, 600_000)
"""Bounds of the journals, in bytes, in turn; 0 for the usual one, which no session here reaches."""


def tell(line: str) -> None:
    """Tell whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def one_round(home: Path, seed: int, cases: int) -> Report:
    """Run one round."""
    bound = BOUNDS[seed % len(BOUNDS)]
    async with running_world(home, slots=12) as world:
        rows, count = (10_000, cases // 4) if bound else (1_500, cases)
        victims = make_cases(seed, count, EVERYTHING, world.ledgers, limit_bytes=bound, rows=rows)
        strikes = make_strikes(seed, 10_000, mean_seconds=0.5)
        return await run(world, victims, strikes, seed=seed, parallel=16)


def soak(seconds: float, seed: int, cases: int, folder: Path) -> int:
    """Run rounds until the time is up or something is wrong; return the exit code."""
    began, rounds = time.monotonic(), 0
    kills, states, rows = Counter[str](), Counter[str](), 0
    while time.monotonic() - began < seconds or not rounds:
        home = folder / f"seed-{seed + rounds}"
        try:
            report = asyncio.run(one_round(home, seed + rounds, cases))
            problems = report.problems
        except Exception as error:
            report, problems = Report(), [repr(error), *getattr(error, "__notes__", [])]
        tell(f"{time.monotonic() - began:6.0f} s  seed {seed + rounds}: {report}")
        if problems:
            tell("\n".join(problems))
            tell(f"FAILED with seed {seed + rounds}; again: make soak SOAK_SECONDS=1 SOAK_SEED={seed + rounds}")
            tell(f"Everything is left in {home}")
            return 1
        shutil.rmtree(home)
        kills += report.kills
        states += report.states
        rows += report.rows
        rounds += 1
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    tell(f"PASSED: {rounds} rounds from seed {seed}, {kills.total()} kills, {rows} rows, sessions: {told}")
    shutil.rmtree(folder)
    return 0


def main() -> int:
    """Read the flags, and soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="no round begins after this time (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (default: a random one, which is told)")
    parser.add_argument("--cases", type=int, default=CASES, help=f"sessions of a round (default {CASES})")
    options = parser.parse_args()
    seed = options.seed or secrets.randbelow(10**6) + 1
    folder = Path(tempfile.mkdtemp(prefix="ktrdr-soak-"))
    tell(f"soaking for {options.seconds:.0f} s from seed {seed} in {folder}")
    return soak(options.seconds, seed, options.cases, folder)


if __name__ == "__main__":
    sys.exit(main())
