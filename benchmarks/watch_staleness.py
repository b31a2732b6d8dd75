"""How old a point is when a watching client has it: from the write into a journal to the message of a watch.

`python -m benchmarks.watch_staleness [--json FILE]`. Writer, training host and operations service are processes of
their own, the servers with default settings; the client watches with `include_metrics`.
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
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from benchmarks.findings import Findings, add_json_flag
from benchmarks.status_latency import percentile
from services.common.channel import open_channel

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

LIMIT_MS = 25.0
SESSION_ID = "staleness"
RUN = "from ktrdr_client.cli.main import run; run()"
WARM_UP = 10
"""Points that are left out at first: the poller has to find out that somebody watches."""


@contextlib.contextmanager
def server(service: str, home: Path, *flags: str) -> Iterator[str]:
    """Run a server while the block runs, and give its address."""
    ready = home / f"{service}.ready.json"
    command = [sys.executable, "-c", RUN, "serve", service, "--port", "0"]
    environment = {**os.environ, "KTRDR_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    log = (home / f"{service}.log").open("w")
    with log, subprocess.Popen([*command, "--ready-file", str(ready), *flags], env=environment, stderr=log) as process:
        try:
            while not ready.exists():
                if process.poll() is not None:
                    message = f"{service} has ended: {(home / f'{service}.log').read_text()}"
                    raise RuntimeError(message)
                time.sleep(0.05)
            yield json.loads(ready.read_text())["address"]
        finally:
            process.terminate()
            process.wait(timeout=30)


async def ages(address: str, home: Path, events: int) -> list[float]:
    """Watch a loop from its first point to its last; return how old each was when it came, in milliseconds."""
    found: list[float] = []
    command = [sys.executable, "-m", "benchmarks.watch_staleness_writer", str(home), SESSION_ID, str(events)]
    async with open_channel(address) as channel:
        stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
        call = stub.WatchOperations(pb.WatchOperationsRequest(include_metrics=True))
        await call.read()  # the bookmark
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        writer = await asyncio.create_subprocess_exec(*command, env=environment)
        while len(found) < events:
            response = await call.read()
            now = time.time_ns()
            assert isinstance(response, pb.WatchOperationsResponse), "the watch has ended"
            found += [(now - at) / 1e6 for metrics in response.metrics for one in metrics.series for at in one.times]
        call.cancel()
        await writer.wait()
    return found


def main() -> int:
    """Run the benchmark; the exit code says whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300, help="points to write, about nine a second (default 300)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("watch_staleness")
    findings.head()
    with (
        tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder,
        server("training-host", Path(folder)) as host,
        server("operations", Path(folder), "--host", f"gpu={host}") as operations,
    ):
        taken = asyncio.run(ages(operations, Path(folder), options.events))[WARM_UP:]
    half, most = percentile(taken, 0.5), percentile(taken, 0.99)
    print(f"{len(taken)} points: p50 {half:.1f} ms, p99 {most:.1f} ms, most {max(taken):.1f} ms")
    findings.keep("age of a point", points=len(taken), p50_ms=half, p99_ms=most, most_ms=max(taken))
    findings.check("p99 of the age", most, f"{most:.1f} ms", f"<= {LIMIT_MS:g} ms", passed=most <= LIMIT_MS)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
