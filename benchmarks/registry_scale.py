"""The registry under load: many hosts with many sessions, each with a new point a second, all on one core.

`python -m benchmarks.registry_scale [--hosts N] [--sessions M] [--profile] [--json FILE]`. The hosts are simulated, in
a process and on a core of their own, together with one that never answers and one that answers 10 s late. The
registry is the real service with its default settings, on a real disk, kept to one core with all its threads. Nobody
watches, so each host is asked about once a second, less often where the core is not enough for that. While the load
begins, everything is new at once; what counts begins a minute later.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import grpc
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc

from benchmarks.findings import Findings, add_json_flag
from benchmarks.registry_scale_server import SERVICE
from benchmarks.status_latency import percentile
from services.common.channel import open_channel

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

RawCall: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
STALENESS_MS: Final = 2_000.0
_ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
_LOOK_SECONDS: Final = 0.1
_START_SECONDS: Final = 60.0


@contextlib.contextmanager
def process(*arguments: str, ready: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a module until the block ends; it is ready when its file is there."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command, env=_ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            until = time.monotonic() + _START_SECONDS
            while not ready.exists():
                if started.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{arguments[0]} has not started")
                time.sleep(0.05)
            yield started
        finally:
            started.terminate()
            started.wait(timeout=60)


@contextlib.asynccontextmanager
async def registry(folder: Path, core: int) -> AsyncIterator[tuple[RawCall, "OperationsServiceAsyncStub"]]:
    """Run the registry, and give the gauge and a stub of it."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    ready = home / "ready.json"
    hosts = str(folder / "hosts.json")
    with process("benchmarks.registry_scale_server", str(home), hosts, str(core), ready=ready):
        async with open_channel(json.loads(ready.read_text())["address"]) as channel:
            stub = operations_pb2_grpc.OperationsServiceStub(channel)
            yield channel.unary_unary(f"/{SERVICE}/Take"), cast("OperationsServiceAsyncStub", stub)


async def look(stub: "OperationsServiceAsyncStub", seconds: float) -> list[float]:
    """Ask for operations for a while, ten times a second, and return how long each answer took in milliseconds."""
    page = await stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=100), timeout=60)
    ids = [one.id for one in page.operations]
    taken, until, number = [], time.monotonic() + seconds, 0
    while time.monotonic() < until:
        began = time.perf_counter()
        request = operations_pb2.GetOperationRequest(operation_id=ids[number % len(ids)])
        await stub.GetOperation(request, timeout=60)
        taken.append((time.perf_counter() - began) * 1000)
        number += 1
        await asyncio.sleep(_LOOK_SECONDS)
    return taken


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what the registry tells of a while under load."""
    hosts, addresses = ["--hosts", str(options.hosts), "--sessions", str(options.sessions)], folder / "hosts.json"
    hosts += ["--series", str(options.series), "--period", str(options.period), "--spread", str(options.spread)]
    hosts += ["--hung", "1", "--late", "1"]
    cores = sorted(os.sched_getaffinity(0))
    hosts += ["--core", str(cores[0])]
    with process("benchmarks.simulated_hosts", *hosts, "--ready", str(addresses), ready=addresses) as simulated:
        async with registry(folder, cores[-1]) as (take, stub):
            await asyncio.sleep(3.0)
            idle = json.loads(await take(b"", timeout=60))
            assert simulated.stdin is not None
            simulated.stdin.write("begin\n")
            simulated.stdin.flush()
            await asyncio.sleep(options.settle)
            begun = json.loads(await take(b"profile" if options.profile else b"", timeout=60))
            latency = await look(stub, options.seconds)
            found: dict[str, Any] = json.loads(await take(b"", timeout=60))
    operations = options.hosts * options.sessions
    found["operations"] = operations
    found["get_ms"] = {"p50": percentile(latency, 0.5), "p99": percentile(latency, 0.99)}
    found["first_stall_ms"] = begun["stall_ms"]["max"]
    found["expected_points"] = operations * options.series * found["seconds"] / options.period
    found["bytes_an_operation"] = (found["resident_bytes"] - idle["resident_bytes"]) / operations
    found["growth_an_update"] = (found["resident_bytes"] - begun["resident_bytes"]) / max(found["updates"], 1)
    found["cpu_seconds"] = sum(found["processor_seconds"].values())
    found["cpu_us_an_operation"] = found["cpu_seconds"] / max(found["updates"], 1) * 1e6
    return found


def tell(found: dict[str, Any], options: argparse.Namespace) -> None:
    """Print the figures."""
    print(f"{options.hosts} hosts x {options.sessions} sessions, a row of {options.series} each {options.period:g} s")
    share = found["cpu_seconds"] / found["seconds"] * 100
    print(f"  points      {found['points'] / found['seconds']:,.0f} a second stored and visible")
    print(f"  staleness   {_told(found['staleness_ms'])} ms, from the write to what everybody can see")
    print(f"  processor   {share:.0f} % of a core, {found['cpu_us_an_operation']:.1f} µs an update of an operation")
    for name, used in sorted(found["processor_seconds"].items(), key=lambda one: -one[1]):
        if used / found["cpu_seconds"] > 0.01:
            print(f"              {used / found['cpu_seconds'] * 100:4.0f} %  {name}")
    print(f"  memory      {found['bytes_an_operation'] / 1024:.1f} KiB an operation, growing by ", end="")
    print(f"{found['growth_an_update']:.0f} bytes an update; {found['resident_bytes'] / 2**20:.0f} MiB in all")
    print(f"  event loop  held up {_told(found['stall_ms'])} ms; while all began {found['first_stall_ms']:.0f} ms")
    print(f"  GetOperation {_told(found['get_ms'])} ms")
    for name, title in (("within", "with all that they call"), ("own", "by themselves")):
        if found["profile"]:
            print(f"  where the event loop's time goes, functions {title}:")
            for where, part in found["profile"][name].items():
                print(f"    {part * 100:5.1f} %  {where}")


def main() -> int:
    """Run it; the exit code says whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=50, help="of each host (default 50)")
    parser.add_argument("--series", type=int, default=1, help="metrics of a row, 1 to 8 (default 1)")
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two rows of a session (default 1)")
    parser.add_argument("--spread", type=int, default=20, help="periods until the last session begins (default 20)")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds before it counts (default 60)")
    parser.add_argument("--seconds", type=float, default=25.0, help="seconds to measure (default 25)")
    parser.add_argument("--profile", action="store_true", help="tell where the time of the event loop goes")
    add_json_flag(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        found = asyncio.run(measure(options, Path(folder)))
    findings = Findings("registry_scale")
    findings.head()
    tell(found, options)
    findings.keep("load", **found)
    stale, rate = found["staleness_ms"]["p99"], found["points"] / found["expected_points"]
    findings.check("every operation found", found["live"], f"{found['live']}", f"{found['operations']}",
                   passed=found["live"] == found["operations"])  # fmt: skip
    findings.check("staleness p99", stale, f"{stale:.0f} ms", f"<= {STALENESS_MS:.0f} ms", passed=stale <= STALENESS_MS)
    findings.check("no backlog: points stored against written", rate, f"{rate:.1%}", ">= 98 %", passed=rate >= 0.98)
    return findings.write(options.json)


def _told(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in shares.items())


if __name__ == "__main__":
    sys.exit(main())
