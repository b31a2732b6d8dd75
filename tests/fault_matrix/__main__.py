"""Play all cases: `python -m tests.fault_matrix [--seed 0] [--only WORDS]`, or random ones: `… --seconds 300`.

Each fault of the replay gateway's catalogue meets loads of each mode, over daily and minute bars. Tells for each fault
how the loads ended and how much longer they took than without it; with --speed 1 these are the times of recovery. With
--seconds, loads meet three faults at once, from seed after seed, until the time is up.
Exits with 1 when a bar is lost, wrong, or missing without being told.
"""

import argparse
import asyncio
import itertools
import logging
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import structlog
from ktrdr.host.v1.session_pb2 import Session

from tests.fault_matrix.cases import MODES, SCENES, Case, Mode, every_case, mixed_case
from tests.fault_matrix.examination import problems
from tests.fault_matrix.world import SPEED, Played, play, prepare


def tell(line: str) -> None:
    """Tell whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def played_in_a_folder(case: Case, prepared: Path, speed: float) -> tuple[Played, list[str]]:
    """Play a case in a home of its own; return what came of it and what is wrong."""
    with tempfile.TemporaryDirectory(prefix="ktrdr-fault-") as folder:
        try:
            played = asyncio.run(play(case, Path(folder), prepared=prepared / case.scene, speed=speed))
            return played, problems(played)
        except Exception as error:
            return Played(case), [f"{case}: {error!r}"]


def mixed_cases(seconds: float, seed: int) -> Iterator[Case]:
    """Yield random cases until the time is up."""
    began = time.monotonic()
    for number in itertools.count(seed):
        if time.monotonic() - began > seconds:
            return
        yield mixed_case(number)


def name_of(case: Case) -> str:
    """Return the line of the table that a case counts in."""
    return case.faults[0] if len(case.faults) == 1 else "three at once"


def main() -> int:
    """Read the flags, and play."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="0 plays the catalogue's examples; others vary them")
    parser.add_argument("--only", default="", help="only cases whose name has these words")
    parser.add_argument("--seconds", type=float, default=0.0, help="random cases for so long, instead of all")
    parser.add_argument("--speed", type=float, default=SPEED, help="of the clock (default 40); 1 for recovery times")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    seed = options.seed or (secrets.randbelow(10**6) + 1 if options.seconds else 0)
    cases = mixed_cases(options.seconds, seed) if options.seconds else every_case(seed)
    tell(f"loads beside faults, from seed {seed}")
    with tempfile.TemporaryDirectory(prefix="ktrdr-fault-") as folder:
        return play_all(cases, Path(folder), options.only, options.speed)


def play_all(cases: Iterable[Case], prepared: Path, only: str, speed: float) -> int:
    """Play cases, tell what came of them, and return the exit code."""
    for scene in SCENES:
        asyncio.run(prepare(scene, prepared / scene))
    for scene in SCENES:  # so that what is loaded once, such as calendars, counts nowhere
        played_in_a_folder(Case((), Mode.MODE_FULL, scene), prepared, speed)
    usual = {
        (mode, scene): played_in_a_folder(Case((), mode, scene), prepared, speed)[0].seconds
        for mode in MODES
        for scene in SCENES
    }
    found: list[str] = []
    count = 0
    tell(f"{'fault':24} {'loads ended':32} longer by (median, most)")
    for name, same in itertools.groupby((case for case in cases if only in str(case)), name_of):
        ends, longer = Counter[str](), []
        for case in same:
            played, wrong = played_in_a_folder(case, prepared, speed)
            found += wrong
            for line in wrong:
                tell(f"WRONG  {line}")
            ends[Session.State.Name(played.first.state).removeprefix("STATE_").lower()] += 1
            longer.append(max(0.0, played.seconds - usual[case.mode, case.scene]))
        count += len(longer)
        words = ", ".join(f"{number} {state}" for state, number in sorted(ends.items()))
        tell(f"{name:24} {words:32} {median(longer):6.1f} s  {max(longer):6.1f} s")
    tell(f"{'FAILED' if found else 'PASSED'}: {count} cases, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
