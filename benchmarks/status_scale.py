"""GetStatus on a host with many sessions: what a poll costs when nothing changed, when everything did, and at first.

`python -m benchmarks.status_scale [--json FILE]`. The host is a process of its own, and so is what writes the journals.
What is compared alternates in one run. Processor time is that of the whole host process.
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, cast

import grpc
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1 import host_pb2, host_pb2_grpc, metrics_pb2

from benchmarks.status_latency import percentile
from benchmarks.status_scale_folders import METRICS, make_folders
from benchmarks.status_scale_host import SERVICE

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.host.v1.host_pb2_grpc import HostServiceAsyncStub

RawCall: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
BLOCK = 50
"""Calls of one kind before the other kind has its turn."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@dataclass(frozen=True)
class Check:
    """One target.

    Attributes:
        name: What was measured.
        value: What was found.
        limit: Most that it may be; None where it is told for comparison only.
        unit: Unit of both.
    """

    name: str
    value: float
    limit: float | None
    unit: str

    @property
    def verdict(self) -> str:
        """PASS, MISS, or nothing where there is no limit."""
        return "" if self.limit is None else "PASS" if self.value <= self.limit else "MISS"


class Cost:
    """What calls of one kind have cost."""

    def __init__(self) -> None:
        self.latency_ms: list[float] = []
        self.host_cpu_ms: list[float] = []

    def p(self, share: float) -> float:
        """Return the latency below which `share` of the calls were, in milliseconds."""
        return percentile(self.latency_ms, share)

    @property
    def cpu_ms(self) -> float:
        """The host's processor time for one call in milliseconds: the median of all blocks."""
        return percentile(self.host_cpu_ms, 0.5)

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return {"p50_ms": self.p(0.5), "p99_ms": self.p(0.99), "host_cpu_ms": self.cpu_ms}


class ScaleHost:
    """A host process and a connection to it.

    Args:
        pid: Its process.
        channel: The connection.
    """

    def __init__(self, pid: int, channel: grpc.aio.Channel) -> None:
        self.stub = cast("HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
        self.empty: RawCall = channel.unary_unary(f"/{SERVICE}/Empty")
        self._stalls: RawCall = channel.unary_unary(f"/{SERVICE}/Stalls")
        # clock_getcpuclockid(3) of another process, as Linux computes it.
        self._clock = ~pid << 3 | 2

    def cpu_ms(self) -> float:
        """Return the processor time of the process in milliseconds."""
        return time.clock_gettime_ns(self._clock) / 1e6

    async def stalls(self) -> dict[str, float]:
        """Begin to measure, or end it and return the longest stalls of the event loop."""
        answer: dict[str, float] = json.loads(await self._stalls(b"", timeout=30))
        return answer

    async def block(self, cost: Cost, call: Callable[[], Awaitable[object]], calls: int = BLOCK) -> None:
        """Call something some times, one after the other."""
        before = self.cpu_ms()
        for _ in range(calls):
            began = time.perf_counter()
            await call()
            cost.latency_ms.append((time.perf_counter() - began) * 1000)
        cost.host_cpu_ms.append((self.cpu_ms() - before) / calls)

    async def drain(self, request: host_pb2.GetStatusRequest) -> int:
        """Read to the end, leave the cursor in the request, and return how many answers it took."""
        answers = 0
        while True:
            answer = await self.stub.GetStatus(request, timeout=60)
            request.cursor = answer.next_cursor
            answers += 1
            if not answer.more:
                return answers


class Writer:
    """The process that writes the journals of all live sessions."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._input, self._output = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        self._output.readline()

    def write(self, sessions: int) -> None:
        """Let it write one row into this many journals, and wait until it has."""
        self._input.write(f"{sessions}\n")
        self._input.flush()
        self._output.readline()


@contextlib.contextmanager
def writer(live: list[Path]) -> Iterator[Writer]:
    """Run a writer."""
    command = [sys.executable, "-m", "benchmarks.status_scale_writer", *map(str, live)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Writer(process)


@contextlib.asynccontextmanager
async def host(home: Path) -> AsyncIterator[ScaleHost]:
    """Run a host."""
    ready = home / "ready.json"
    with subprocess.Popen(  # noqa: ASYNC220  # nothing else runs in this loop while the host starts
        [sys.executable, "-m", "benchmarks.status_scale_host", str(home), str(ready)], env=ENVIRONMENT
    ) as process:
        try:
            while not ready.exists():
                if process.poll() is not None:
                    raise SystemExit("the host has not started")
                await asyncio.sleep(0.05)
            address = json.loads(ready.read_text())["address"]
            options = [("grpc.max_receive_message_length", 16 * 2**20)]
            async with grpc.aio.insecure_channel(address, options=options) as channel:
                yield ScaleHost(process.pid, channel)
        finally:
            process.terminate()
            process.wait(timeout=60)


async def unchanged(served: ScaleHost, calls: int) -> dict[str, Cost]:
    """Measure polls without news beside empty calls."""
    request = host_pb2.GetStatusRequest()
    await served.drain(request)

    async def poll() -> None:
        answer = await served.stub.GetStatus(request, timeout=10)
        assert not answer.sessions
        request.cursor = answer.next_cursor

    kinds: dict[str, Callable[[], Awaitable[object]]] = {
        "an empty call": lambda: served.empty(b"", timeout=10),
        "GetHost": lambda: served.stub.GetHost(host_pb2.GetHostRequest(), timeout=10),
        "an unchanged poll": poll,
    }
    for call in kinds.values():
        await served.block(Cost(), call)
    costs = {name: Cost() for name in kinds}
    for _ in range(max(1, calls // BLOCK)):
        for name, call in kinds.items():
            await served.block(costs[name], call)
    return costs


async def changed(served: ScaleHost, journals: Writer, live: int, polls: int) -> dict[str, Cost]:
    """Measure polls that find a new row in each live session."""
    costs = {}
    for name, encoding in (
        ("columns", metrics_pb2.METRIC_ENCODING_COLUMNS),
        ("raw rows", metrics_pb2.METRIC_ENCODING_ROWS),
    ):
        costs[f"a poll with {live} changes, {name}"] = Cost()
        request = host_pb2.GetStatusRequest(metric_encoding=encoding)
        await served.drain(request)
        for turn in range(polls + 5):
            journals.write(live)
            cost = Cost() if turn < 5 else costs[f"a poll with {live} changes, {name}"]
            before, began = served.cpu_ms(), time.perf_counter()
            answer = await served.stub.GetStatus(request, timeout=10)
            cost.latency_ms.append((time.perf_counter() - began) * 1000)
            cost.host_cpu_ms.append(served.cpu_ms() - before)
            request.cursor = answer.next_cursor
            points = sum(len(series.values) for each in answer.sessions for series in each.metrics)
            rows = sum(block.row_count for each in answer.sessions for block in each.metric_rows)
            assert points + rows * METRICS == live * METRICS, f"{points} points and {rows} rows came"
    return costs


async def looking(served: ScaleHost, seconds: float) -> tuple[float, float]:
    """Return the host's share of a core in percent while somebody watches silence, and while nobody does."""
    shares = []
    for watched in (True, False):
        stream = None
        if watched:
            stream = served.stub.WatchStatus(host_pb2.WatchStatusRequest(heartbeat=Duration(seconds=600)))
            async with asyncio.timeout(30):
                while True:
                    message = await stream.read()
                    assert isinstance(message, host_pb2.WatchStatusResponse)
                    if message.status.snapshot_complete:
                        break
        await asyncio.sleep(0.5)
        before = served.cpu_ms()
        await asyncio.sleep(seconds)
        shares.append((served.cpu_ms() - before) / (seconds * 1000) * 100)
        if stream is not None:
            stream.cancel()
            await asyncio.sleep(0.2)
    return shares[0], shares[1]


async def first_snapshots(served: ScaleHost, times: int) -> dict[str, float]:
    """Read everything some times, and return the longest stall of the host's event loop, and what a snapshot took."""
    worst = {"wall_ms": 0.0, "cpu_ms": 0.0, "seconds": 0.0, "answers": 0.0}
    for _ in range(times):
        await served.stalls()
        began = time.perf_counter()
        answers = await served.drain(host_pb2.GetStatusRequest())
        seconds = time.perf_counter() - began
        found = await served.stalls()
        for name, value in {**found, "seconds": seconds, "answers": float(answers)}.items():
            worst[name] = max(worst[name], value)
    return worst


async def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Cost], list[Check], dict[str, float]]:
    """Run all of it."""
    busy, full = folder / "busy", folder / "full"
    live = make_folders(busy / "training-host" / "sessions", finished=options.finished, live=options.live)
    make_folders(full / "training-host" / "sessions", finished=options.snapshot, live=0)
    with writer(live) as journals:
        async with host(busy) as served:
            costs = await unchanged(served, options.calls)
            costs |= await changed(served, journals, options.live, options.polls)
            watched, unwatched = await looking(served, options.seconds)
    async with host(full) as served:
        snapshot = await first_snapshots(served, 5)
    empty, poll = costs["an empty call"], costs["an unchanged poll"]
    changes = {name: cost for name, cost in costs.items() if "changes" in name}
    checks = [
        Check("unchanged poll / empty call, p50", poll.p(0.5) / empty.p(0.5), 1.5, "x"),
        Check("unchanged poll / empty call, p99", poll.p(0.99) / empty.p(0.99), 1.5, "x"),
        Check("unchanged poll / empty call, host CPU", poll.cpu_ms / empty.cpu_ms, 1.5, "x"),
        *(Check(f"{name}: host CPU", cost.cpu_ms, 2.0, "ms") for name, cost in changes.items()),
        Check("looking at the journals while watched", watched, 2.0, "% of a core"),
        Check("the same while nobody watches", unwatched, 0.1, "% of a core"),
        Check(f"longest stall, snapshot of {options.snapshot}: CPU of the loop", snapshot["cpu_ms"], 20.0, "ms"),
        Check("the same by the clock, other processes included", snapshot["wall_ms"], None, "ms"),
    ]
    return costs, checks, snapshot


def main() -> int:
    """Run the benchmark and print its tables; the exit code says whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--live", type=int, default=100, help="sessions at work (default 100)")
    parser.add_argument("--finished", type=int, default=1_000, help="finished sessions beside them (default 1000)")
    parser.add_argument("--snapshot", type=int, default=3_000, help="finished sessions of the snapshot (default 3000)")
    parser.add_argument("--calls", type=int, default=2_000, help="calls of each kind, unchanged (default 2000)")
    parser.add_argument("--polls", type=int, default=300, help="polls with changes, of each encoding (default 300)")
    parser.add_argument("--seconds", type=float, default=5.0, help="time to watch without changes (default 5)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        costs, checks, snapshot = asyncio.run(measure(options, Path(folder)))
    print(f"GetStatus: {options.finished} finished and {options.live} live sessions, rows of {METRICS} metrics")
    print(f"{'':42}{'calls':>7}{'p50 ms':>9}{'p99 ms':>9}{'host CPU ms':>13}")
    for name, cost in costs.items():
        print(f"{name:42}{len(cost.latency_ms):>7}{cost.p(0.5):>9.3f}{cost.p(0.99):>9.3f}{cost.cpu_ms:>13.3f}")
    print(f"a first snapshot of {options.snapshot}: {snapshot['seconds']:.1f} s, {snapshot['answers']:.0f} answers\n")
    for check in checks:
        limit = "" if check.limit is None else f"at most {check.limit:g}"
        print(f"{check.name:58}{check.value:>8.2f} {check.unit:12}{limit:14}{check.verdict}")
    if options.json:
        figures = {name: cost.as_dict() for name, cost in costs.items()}
        results = [asdict(check) | {"verdict": check.verdict} for check in checks]
        options.json.write_text(json.dumps({"costs": figures, "snapshot": snapshot, "targets": results}, indent=2))
    return 1 if any(check.verdict == "MISS" for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main())
