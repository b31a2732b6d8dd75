"""From StartTraining to the first batch: with a cold and a warm page cache, and with a spare worker.

`python -m benchmarks.start_time [--rounds N] [--json FILE]`. A training on a file of daily bars, on the CPU; the end of
the time is the moment that the first batch's point carries. Beside it, alternating: a bare interpreter that only
imports the same libraries.
"""

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, cast

from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from benchmarks.cold_cache import forget_libraries
from benchmarks.findings import Findings, add_json_flag
from benchmarks.random_bars import write_bars
from benchmarks.status_latency import wait_until
from benchmarks.watch_staleness import server
from services.common.channel import open_channel

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.host.v1.host_pb2_grpc import HostServiceAsyncStub
    from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceAsyncStub

WARM_LIMIT_SECONDS: Final = 2.5
SPARE_LIMIT_SECONDS: Final = 0.3
LIBRARIES: Final = "import torch, torch._dynamo, talib, pandas, pyarrow.csv, pyarrow.parquet, grpc"
STRATEGY: Final = Path(__file__).parents[1] / "examples" / "strategies" / "aapl_daily_swing.yaml"
SPARE_READY: Final = "spare_worker_ready"
_NAMES: Final = (f"round-{number}" for number in itertools.count(1))


def bare_seconds() -> float:
    """Return how long an interpreter takes that only imports the libraries."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.perf_counter() - began


async def first_batch_seconds(address: str, bars: Path) -> float:
    """Start a training, and return how long it took to its first batch; it is cancelled then."""
    async with open_channel(address) as channel:
        host = cast("HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
        trainings = cast("TrainingHostServiceAsyncStub", training_pb2_grpc.TrainingHostServiceStub(channel))
        await host.GetHost(host_pb2.GetHostRequest(), timeout=10)  # the connection stands
        spec = training_pb2.TrainingSpec(
            strategy=STRATEGY.read_text("utf-8"), local=training_pb2.LocalBars(path=str(bars))
        )
        name = next(_NAMES)
        began = time.time_ns()
        await trainings.StartTraining(training_pb2.StartTrainingRequest(session_id=name, spec=spec), timeout=60)
        at = await _first_batch(host, name)
        await host.CancelSession(host_pb2.CancelSessionRequest(session_id=name, now=True), timeout=10)
        await wait_until(host, name, lambda session: session.final)
    return (at - began) / 1e9


async def _first_batch(host: "HostServiceAsyncStub", session_id: str) -> int:
    """Wait for a session's first batch, and return when it was, in nanoseconds since 1970."""
    request = host_pb2.GetStatusRequest(session_ids=[session_id])
    request.wait.FromSeconds(1)
    while True:
        answer = await host.GetStatus(request, timeout=10)
        for session in answer.sessions:
            if session.HasField("error"):
                raise RuntimeError(session.error.message)
            for series in session.metrics:
                if series.name == "batch_loss" and series.times:
                    return series.times[0]
        request.cursor = answer.next_cursor


def wait_for_spares(log: Path, count: int) -> None:
    """Wait until a host has said for the `count`th time that a spare worker is ready."""
    until = time.monotonic() + 60
    while log.read_text().count(SPARE_READY) < count:
        if time.monotonic() > until:
            message = f"no spare worker came to be ready: {log.read_text()}"
            raise RuntimeError(message)
        time.sleep(0.05)


def measure(folder: Path, rounds: int, cold_rounds: int) -> Iterator[tuple[str, float]]:
    """Give what was measured, one by one: of what, and seconds."""
    bars = write_bars(folder / "bars.csv")

    def start(address: str) -> float:
        return asyncio.run(first_batch_seconds(address, bars))

    (folder / "ordinary").mkdir()
    (folder / "spare").mkdir()
    with server("training-host", folder / "ordinary") as ordinary:
        for _ in range(cold_rounds):
            yield from _after(forget_libraries, "bare imports, cold", bare_seconds)
            yield from _after(forget_libraries, "training, cold", lambda: start(ordinary))
        start(ordinary)
        with server("training-host", folder / "spare", "--spare-workers", "1") as with_spare:
            for number in range(1, rounds + 1):
                wait_for_spares(folder / "spare" / "training-host.log", number)
                yield "bare imports, warm", bare_seconds()
                yield "training, warm", start(ordinary)
                yield "training, spare worker", start(with_spare)


def _after(prepare: Callable[[], object], name: str, seconds: Callable[[], float]) -> Iterator[tuple[str, float]]:
    prepare()
    yield name, seconds()


def main() -> int:
    """Run the benchmark; the exit code says whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="starts of each kind (default 7)")
    parser.add_argument("--cold-rounds", type=int, default=2, help="starts with a cold page cache (default 2)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("start_time")
    findings.head()
    if options.cold_rounds:
        print(f"what is forgotten for a cold start: {forget_libraries()}")
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        for name, seconds in measure(Path(folder), options.rounds, options.cold_rounds):
            taken.setdefault(name, []).append(seconds)
    print(f"{'':28}{'rounds':>8}{'median s':>10}{'worst s':>10}{'x bare':>9}")
    for name, each in taken.items():
        bare = median(taken["bare imports, cold" if name.endswith("cold") else "bare imports, warm"])
        print(f"{name:28}{len(each):>8}{median(each):>10.2f}{max(each):>10.2f}{median(each) / bare:>9.2f}")
        findings.keep(name, seconds=each, median_seconds=median(each), worst_seconds=max(each))
    for name, limit in (("training, warm", WARM_LIMIT_SECONDS), ("training, spare worker", SPARE_LIMIT_SECONDS)):
        found = median(taken[name])
        findings.check(f"{name}, median", found, f"{found:.2f} s", f"<= {limit:g} s", passed=found <= limit)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
