"""Lists of a registry with a million ended operations: pages, totals, start and memory.

`python -m benchmarks.registry_lists [--operations N] [--json FILE]`. The store is filled in bulk; then the operations
service runs as a process of its own on it, and is asked over loopback: the times are those of both ends. A page is read
at the beginning of a list and at random places in it; the time of the server alone is taken from the same searches
without a server, by the clock and on the processor, which others on the same machine disturb less. The floor is as many
rows by their row ids, with nothing but their records decoded.
"""

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple, cast

import psutil
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from benchmarks.findings import Findings, add_json_flag
from benchmarks.registry_lists_store import fill
from services.common.channel import open_channel
from services.operations.filters import Expression, parse_filter
from services.operations.filters.selection import condition_of
from services.operations.lists.order import Order, Place, parse_order
from services.operations.lists.search import Question, search
from tests.support.free_ports import ReservedPort

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

OPERATIONS = 1_000_000
PAGE = 50
PAGES = 120
P99_MILLISECONDS = 10.0
START_SECONDS = 3.0
LONGEST_LOOK_SECONDS = 1.0

INDEXED = {
    "everything": "",
    "state": "state = FAILED",
    "rare state": "state = CANCELLED",
    "type": "type = DATA_LOAD",
    "host": 'host = "gpu-17"',
    "rare host": 'host = "gpu-199"',
    "label": "labels.team = red",
    "rare label": "labels.team = lilac",
    "time": 'create_time >= "2025-03-01" AND create_time < "2025-09-01"',
    "state, type and host": 'state = FAILED AND type = TRAINING AND host = "gpu-17"',
    "two states": "state = (FAILED OR CANCELLED)",
    "state and time": 'state = FAILED AND create_time < "2025-06-01"',
    "verdict": "verdict = OVERFITTING",
    "strategy": "strategy = momentum-7",
}
ORDERS = (
    "end_time desc",
    "update_time",
    "start_time desc",
    "state",
    "type desc",
    "host",
    "display_name",
    "strategy desc",
)
SCANS = {
    "a note that nobody wrote": "notes:nowhere",
    "label and another host": 'labels.team = red AND host = "gpu-199"',
    "any text": "unheard-of",
    "names that end like this": 'display_name = "*-none"',
}


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=OPERATIONS, help=f"in the store ({OPERATIONS:,})")
    parser.add_argument("--home", type=Path, help="keep the store here, and use it again if it is there")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("registry_lists")
    findings.head()
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        path = home / "operations" / "operations.sqlite3"
        began = time.monotonic()
        if not path.exists():
            fill(path, options.operations)
        size = path.stat().st_size
        print(f"{options.operations:,} operations, {size / 1e9:.2f} GB, {time.monotonic() - began:.0f} s to write")
        findings.keep("store", operations=options.operations, bytes=size)
        _searches(path, findings)
        asyncio.run(_served(home, findings))
    return findings.write(options.json)


def _searches(path: Path, findings: Findings) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        floor = _times(lambda rng: _by_key(connection, rng), "primary key (floor)")
        print(f"      {PAGE + 1} rows by row id: p50 {floor.p50:.2f} ms, p99 {floor.p99:.2f} ms")
        findings.keep("floor", p50_ms=floor.p50, p99_ms=floor.p99)
        for name, text in INDEXED.items():
            _measured(connection, name, text, "", findings)
        for order in ORDERS:
            _measured(connection, f"order by {order}", "", order, findings)
        for name, text in SCANS.items():
            question = Question(parse_filter(text), parse_order(""), None, PAGE + 1, count=True)
            began = time.perf_counter()
            answer = search(connection, question)
            taken = time.perf_counter() - began
            told = (
                f"{taken:.2f} s, {len(answer.found)} found, {'more to look at' if answer.reached else 'all looked at'}"
            )
            target = f"<= {LONGEST_LOOK_SECONDS:g} s"
            findings.check(f"bounded look: {name}", taken, told, target, passed=taken <= LONGEST_LOOK_SECONDS)


def _measured(connection: sqlite3.Connection, name: str, text: str, order_by: str, findings: Findings) -> None:
    expression, order = parse_filter(text), parse_order(order_by)

    def page(rng: random.Random, *, first: bool) -> tuple[float, float]:
        after = None if first else _anywhere(connection, expression, order, rng)
        question = Question(expression, order, after, PAGE + 1, count=first)
        return _timed(lambda: search(connection, question))

    first = _times(lambda rng: page(rng, first=True), f"{name}: first page and total")
    other = _times(lambda rng: page(rng, first=False), f"{name}: any page")
    worst = max(first.p99, other.p99)
    findings.keep(name, first=first._asdict(), any=other._asdict())
    told = (
        f"p50 {first.p50:.1f} ms first, {other.p50:.1f} any; p99 {first.p99:.1f} first, {other.p99:.1f} any; "
        f"on the processor p99 {first.cpu_p99:.1f}, {other.cpu_p99:.1f}"
    )
    findings.check(name, worst, told, f"p99 <= {P99_MILLISECONDS:g} ms", passed=worst <= P99_MILLISECONDS)


def _anywhere(connection: sqlite3.Connection, expression: Expression, order: Order, rng: random.Random) -> Place:
    """Return the place of an operation that matches."""
    columns = ", ".join(key.column for key in order.keys)
    wanted = condition_of(expression)
    query = f"SELECT {columns} FROM operations WHERE rowid >= ? AND {wanted.sql} LIMIT 1"
    row = None
    while row is None:
        row = connection.execute(query, (rng.randrange(1, OPERATIONS), *wanted.parameters)).fetchone()
    return tuple(row)


def _by_key(connection: sqlite3.Connection, rng: random.Random) -> tuple[float, float]:
    rows = [rng.randrange(1, OPERATIONS) for _ in range(PAGE + 1)]
    marks = ", ".join("?" * len(rows))

    def read() -> None:
        for (record,) in connection.execute(f"SELECT record FROM operations WHERE rowid IN ({marks})", rows):
            pb.Operation.FromString(record)

    return _timed(read)


class Times(NamedTuple):
    """Milliseconds of a page."""

    p50: float
    p99: float
    cpu_p50: float
    cpu_p99: float


def _times(act: Callable[[random.Random], tuple[float, float]], name: str) -> Times:
    """Return how long `act` takes, which returns seconds by the clock and on the processor."""
    rng = random.Random(name)
    act(rng)
    taken, on_processor = [], []
    for _ in range(PAGES):
        wall, cpu = act(rng)
        taken.append(1_000 * wall)
        on_processor.append(1_000 * cpu)
    walls, cpus = quantiles(taken, n=100), quantiles(on_processor, n=100)
    return Times(*(round(one, 2) for one in (walls[49], walls[98], cpus[49], cpus[98])))


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.thread_time()
    act()
    return time.perf_counter() - began, time.thread_time() - cpu_began


async def _served(home: Path, findings: Findings) -> None:
    reserved = ReservedPort()
    began = time.monotonic()
    keep = ["--keep-days", "36500", "--keep-operations", str(10 * OPERATIONS)]  # lists are measured here, not deletions
    service = ["-m", "ktrdr_client", "serve", "operations", "--home", str(home), "--port", str(reserved.number)]
    command = [sys.executable, *service, *keep]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - at once
    try:
        async with open_channel(f"127.0.0.1:{reserved.number}") as channel:
            stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
            listed = await stub.ListOperations(pb.ListOperationsRequest(), timeout=60, wait_for_ready=True)
            started = time.monotonic() - began
            cpu = sum(psutil.Process(process.pid).cpu_times()[:2])
            told = f"{started:.2f} s to the first page ({cpu:.2f} s of it on the processor), of {listed.total_size:,}"
            findings.check("start", started, told, f"<= {START_SECONDS:g} s", passed=started <= START_SECONDS)
            before = psutil.Process(process.pid).memory_info().rss
            for name, text in INDEXED.items():
                await _over_the_wire(stub, name, text, findings)
            memory = psutil.Process(process.pid).memory_info().rss
            print(f"memory: {before / 2**20:.0f} MiB at the start, {memory / 2**20:.0f} MiB after all pages")
            findings.keep("memory", at_start_bytes=before, after_bytes=memory)
    finally:
        process.terminate()
        process.wait(20)


async def _over_the_wire(stub: "OperationsServiceAsyncStub", name: str, text: str, findings: Findings) -> None:
    taken = []
    token = ""
    for _ in range(PAGES):
        request = pb.ListOperationsRequest(filter=text, page_token=token)
        call_began = time.perf_counter()
        page = await stub.ListOperations(request, timeout=30)
        taken.append(1_000 * (time.perf_counter() - call_began))
        token = page.next_page_token
    cuts = quantiles(taken, n=100)
    print(f"      over the wire, {name}: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    findings.keep(f"{name}, over the wire", p50_ms=round(cuts[49], 2), p99_ms=round(cuts[98], 2))


if __name__ == "__main__":
    sys.exit(main())
