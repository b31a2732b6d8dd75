"""GetStatus while a pure-Python training loop burns its core, against the same host idle.

`python -m benchmarks.status_latency`. Rounds of both alternate in one run, so that the machine's own moods hit both.
The reader polls with a cursor, as the registry does.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from benchmarks.findings import Findings, add_json_flag

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.host.v1.host_pb2_grpc import HostServiceAsyncStub
    from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceAsyncStub

POLL_SECONDS = 0.02
LIMIT = 2.0


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` of `values` lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def poll(stub: "HostServiceAsyncStub", seconds: float) -> list[float]:
    """Poll for a while, 50 times a second, and return how long each answer took, in milliseconds."""
    cursor, taken = b"", []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        answer = await stub.GetStatus(host_pb2.GetStatusRequest(cursor=cursor), timeout=10)
        spent = time.perf_counter() - began
        if cursor:  # the first answer is a snapshot
            taken.append(spent * 1000)
        cursor = answer.next_cursor
        await asyncio.sleep(max(0.0, POLL_SECONDS - spent))
    return taken


async def measure(address: str, rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """Alternate idle and burning rounds; return the times of both in milliseconds."""
    idle: list[float] = []
    burning: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        host = cast("HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
        trainings = cast("TrainingHostServiceAsyncStub", training_pb2_grpc.TrainingHostServiceStub(channel))
        await poll(host, 1.0)
        for _ in range(rounds):
            idle += await poll(host, seconds)
            started = await trainings.StartTraining(training_pb2.StartTrainingRequest(), timeout=10)
            session_id = started.session.id
            await wait_until(host, session_id, lambda session: session.progress.completed >= 1)
            burning += await poll(host, seconds)
            request = host_pb2.CancelSessionRequest(session_id=session_id, reason="end of the round")
            await host.CancelSession(request, timeout=10)
            await wait_until(host, session_id, lambda session: session.state == Session.STATE_CANCELLED)
    return idle, burning


async def wait_until(stub: "HostServiceAsyncStub", session_id: str, holds: Callable[[Session], bool]) -> None:
    """Wait until a session is as `holds` says."""
    request = host_pb2.GetStatusRequest(session_ids=[session_id])
    request.wait.FromSeconds(1)
    while True:
        answer = await stub.GetStatus(request, timeout=10)
        if any(holds(session) for session in answer.sessions):
            return
        request.cursor = answer.next_cursor


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="rounds of each kind (default 4)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round in seconds (default 5)")
    add_json_flag(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        home, ready = Path(folder), Path(folder) / "ready.json"
        command = [sys.executable, "-m", "benchmarks.burning_host", str(home), str(ready)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as server:
            try:
                while not ready.exists():
                    if server.poll() is not None:
                        return 1
                    time.sleep(0.05)
                address = json.loads(ready.read_text())["address"]
                idle, burning = asyncio.run(measure(address, options.rounds, options.seconds))
            finally:
                server.terminate()
                server.wait(timeout=30)
    findings = Findings("status_latency")
    findings.head()
    print(f"GetStatus with a cursor, 50 a second, {options.rounds} rounds of {options.seconds:.0f} s each, alternating")
    print(f"{'':34}{'answers':>8}{'p50 ms':>9}{'p99 ms':>9}{'x idle p99':>12}")
    for name, taken in (("idle host", idle), ("a pure-Python loop burns a core", burning)):
        half, most = percentile(taken, 0.5), percentile(taken, 0.99)
        print(f"{name:34}{len(taken):>8}{half:>9.2f}{most:>9.2f}{most / percentile(idle, 0.99):>12.2f}")
        findings.keep(name, answers=len(taken), p50_ms=half, p99_ms=most)
    ratio = percentile(burning, 0.99) / percentile(idle, 0.99)
    findings.check("p99 burning / idle", ratio, f"{ratio:.2f}", f"<= {LIMIT:g}", passed=ratio <= LIMIT)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
