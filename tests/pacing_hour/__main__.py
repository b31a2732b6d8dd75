"""An hour of simulated pacing: `python -m tests.pacing_hour [--hours N]`; exit code 1 where a limit was broken."""

import argparse
import asyncio
import sys
import time

from services.ib_host.requests.failures import FailureKind
from tests.pacing_hour.simulation import Simulated, simulate


def allowed_units(seconds: float) -> float:
    """Return how many requests for short bars IB allows in a time, of which none was sent before it."""
    return 60 * (1 + seconds // 600.0)


def report(found: Simulated, took_seconds: float) -> bool:
    """Tell what came of it; return whether all is well."""
    most = allowed_units(found.seconds)
    violations = ", ".join(f"{rule} {count}" for rule, count in found.violations.items()) or "none"
    failures = ", ".join(f"{kind.value} {count}" for kind, count in found.failures.items()) or "none"
    lines = (
        f"{found.seconds / 3600:.2f} h of the clock in {took_seconds:.1f} s",
        f"requests for short bars: {found.units} of {most:.0f} that IB allows ({found.units / most:.1%})",
        f"requests for longer bars: {found.long_bars}; bars: {found.bars:,}",
        f"answers to people: {found.answers_to_people}, the latest after {found.longest_wait_of_people:.2f} s",
        "fullest windows: " + ", ".join(f"{rule} {peak}" for rule, peak in found.peaks.items()),
        f"violations: {violations}; failures: {failures}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return not found.violations and set(found.failures) <= {FailureKind.NO_DATA} and found.units >= 0.95 * most


def main() -> int:
    """Run it and tell what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="of the clock (default 1)")
    options = parser.parse_args()
    began = time.monotonic()
    # At the end of the hour another ten minutes would begin.
    found = asyncio.run(simulate(3600.0 * options.hours - 1.0))
    return 0 if report(found, time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
