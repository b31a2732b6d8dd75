"""Run all benchmarks, one after the other: `python -m benchmarks.run [--folder FOLDER] [NAME…]`.

A target that is missed stops nothing; it is told at the end, and makes the exit code 1. Each benchmark's JSON is put
into the folder.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

BENCHMARKS = (
    "bridge",
    "training_slowdown",
    "training_speed",
    "status_latency",
    "status_scale",
    "decoding_stalls",
    "session_logs",
    "start_time",
    "registry_scale",
    "registry_lists",
    "metric_history",
    "trends",
    "watch_fanout",
    "watch_staleness",
    "features",
    "stream_bars",
    "verdicts",
)


def main() -> int:
    """Run them and sum them up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"), help="for the JSON (build/benchmarks)")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {min(unknown)}; choose from: {', '.join(BENCHMARKS)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    ends = {}
    for name in options.names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(options.folder / f"{name}.json")]
        began = time.monotonic()
        ends[name] = subprocess.run(command, env=environment, check=False).returncode
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n== all (JSON in {options.folder})")
    for name, code in ends.items():
        print(f"{ {0: 'PASS', 1: 'MISS'}.get(code, f'FAILED, exit code {code}') }  {name}".lstrip())
    return 1 if any(ends.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
