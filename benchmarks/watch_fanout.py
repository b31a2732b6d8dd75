"""How much one operations service tells to how many watchers.

`python -m benchmarks.watch_fanout [--json FILE]`. 150 operations change once a second each; all watchers want all of
them, over one connection for each hundred. The service is a process of its own on one core; an event is one operation
in one message to one watcher. Each watcher checks that revisions rise.
"""

import argparse
import asyncio
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from ktrdr.operations.v1 import operations_pb2 as pb

from benchmarks.findings import Findings, add_json_flag
from benchmarks.status_latency import percentile
from services.common.channel import client_options

WATCHERS = (1, 100, 1000)
ON_A_CONNECTION = 100
TARGET_EVENTS = 100_000
SAMPLED = 10
"""Ages are looked at in each tenth watcher only: the reading process has one core."""
METHOD = "/ktrdr.operations.v1.OperationsService/WatchOperations"


@functools.lru_cache(maxsize=256)
def decoded(data: bytes) -> pb.WatchOperationsResponse:
    """Decode a message, but each only once: what is measured is the service, and all readers here share a core."""
    return pb.WatchOperationsResponse.FromString(data)


@dataclass
class Count:
    """What all watchers together were told."""

    events: int = 0
    messages: int = 0
    open: int = 0
    all_open: asyncio.Event = field(default_factory=asyncio.Event)
    disorder: int = 0
    ages_ms: list[float] = field(default_factory=list)


async def watch(channel: grpc.aio.Channel, count: Count, number: int, watchers: int) -> None:
    """Watch until cancelled."""
    method = channel.unary_stream(
        METHOD,
        request_serializer=pb.WatchOperationsRequest.SerializeToString,
        response_deserializer=decoded,
    )
    call, reached = method(pb.WatchOperationsRequest()), 0
    try:
        async for response in call:
            if response.bookmark:
                count.open += 1
                if count.open == watchers:
                    count.all_open.set()
            if response.operations:
                count.disorder += not reached < response.operations[0].revision <= response.revision
            reached = response.revision
            count.messages += 1
            count.events += len(response.operations)
            if number % SAMPLED == 0:
                now = time.time_ns()
                count.ages_ms += [(now - int(one.progress.step or now)) / 1e6 for one in response.operations]
    finally:
        call.cancel()


async def measure(address: str, pid: int, watchers: int, seconds: float) -> tuple[Count, float, float]:
    """Return what was told while all watched, how long that was, and the processor time of the service in it."""
    connections = -(-watchers // ON_A_CONNECTION)
    channels = [grpc.aio.insecure_channel(address, options=client_options()) for _ in range(connections)]
    count = Count()
    tasks = [
        asyncio.create_task(watch(channels[number % connections], count, number, watchers))
        for number in range(watchers)
    ]
    opened = asyncio.create_task(count.all_open.wait())
    await asyncio.wait([opened, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # raises why it has ended
    await asyncio.sleep(1.0)
    count.events, count.messages, count.ages_ms = 0, 0, []
    clock, began = ~pid << 3 | 2, time.monotonic()  # the clock of another process, as Linux computes it
    used = time.clock_gettime_ns(clock)
    await asyncio.sleep(seconds)
    spent, processor = time.monotonic() - began, (time.clock_gettime_ns(clock) - used) / 1e9
    told = Count(count.events, count.messages, count.open, disorder=count.disorder, ages_ms=list(count.ages_ms))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()
    return told, spent, processor


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="time for each number of watchers (default 8)")
    parser.add_argument("--watchers", type=int, nargs="*", default=WATCHERS, help="how many (default 1 100 1000)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("watch_fanout")
    findings.head()
    print(f"{'watchers':>8}{'events/s':>10}{'messages/s':>12}{'CPU':>7}{'us an event':>13}{'age p50':>9}{'p99 ms':>8}")
    rate, disorder = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        ready = Path(folder) / "ready.json"
        command = [sys.executable, "-m", "benchmarks.watch_fanout_server", folder]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as server:
            try:
                while not ready.exists():
                    if server.poll() is not None:
                        return 1
                    time.sleep(0.05)
                address = json.loads(ready.read_text())["address"]
                for watchers in options.watchers:
                    told, spent, used = asyncio.run(measure(address, server.pid, watchers, options.seconds))
                    rate, disorder = told.events / spent, disorder + told.disorder
                    figures = {
                        "events_per_second": round(rate),
                        "messages_per_second": round(told.messages / spent),
                        "processor": round(used / spent, 2),
                        "microseconds_an_event": round(1e6 * used / max(1, told.events), 2),
                        "age_p50_ms": round(percentile(told.ages_ms, 0.5), 1),
                        "age_p99_ms": round(percentile(told.ages_ms, 0.99), 1),
                    }
                    findings.keep(f"{watchers} watchers", **figures)
                    one, two, three, four, five, six = figures.values()
                    print(f"{watchers:>8}{one:>10,}{two:>12,}{three:>7.0%}{four:>13}{five:>9}{six:>8}", flush=True)
            finally:
                server.terminate()
                server.wait(timeout=30)
    findings.check("told out of order", disorder, str(disorder), "0", passed=disorder == 0)
    told_rate = f"{rate:,.0f} events/s"
    findings.check(
        f"{options.watchers[-1]:,} watchers",
        rate,
        told_rate,
        f">= {TARGET_EVENTS:,} events/s",
        passed=rate >= TARGET_EVENTS,
    )
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
