"""One event of eight metrics: the bridge beside other ways to report it, interleaved in one run.

`python -m benchmarks.bridge`. Each event's dict is made anew, as a training loop makes it: a way that keeps its records
in memory keeps their numbers alive, and that is part of its price. What the loop itself costs is taken off. A reader
process polls the journal 100 times a second all the while, and checks that it sees every point once and in order.
Blocks of all ways alternate, so that the machine's own moods hit all of them; the run is cut into parts, and each ratio
of means is the median of the parts.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from types import FunctionType
from typing import Any

from ktrdr_bridge import Bridge

from benchmarks.journal_follower import event_metrics
from benchmarks.ways import (
    EPOCHS,
    BatchReporter,
    EpochReporter,
    InLoop,
    InMemory,
    InPrometheus,
    InQueue,
    InTensorBoard,
)

BATCHES = 64
PARTS = 5
WARM_UP_ROUNDS = 3
BLOCK = 4_096
Block = Callable[[Any, Sequence[int]], tuple[int, int]]
Singles = Callable[[Any, Sequence[int]], list[int]]


def block_of_batches(target: BatchReporter, steps: Sequence[int]) -> tuple[int, int]:
    """Return the time of a block of events in a tight loop, and the thread's part of it on a processor, in ns."""
    on_processor, began = time.thread_time_ns(), time.perf_counter_ns()
    for step in steps:
        metrics = {
            "metric_0": step + 0.0,
            "metric_1": step + 0.125,
            "metric_2": step + 0.25,
            "metric_3": step + 0.375,
            "metric_4": step + 0.5,
            "metric_5": step + 0.625,
            "metric_6": step + 0.75,
            "metric_7": step + 0.875,
        }
        target.on_batch(step, BATCHES, metrics)
    return time.perf_counter_ns() - began, time.thread_time_ns() - on_processor


def block_of_epochs(target: EpochReporter, steps: Sequence[int]) -> tuple[int, int]:
    """Like `block_of_batches`, for `on_epoch`."""
    on_processor, began = time.thread_time_ns(), time.perf_counter_ns()
    for step in steps:
        metrics = {
            "metric_0": step + 0.0,
            "metric_1": step + 0.125,
            "metric_2": step + 0.25,
            "metric_3": step + 0.375,
            "metric_4": step + 0.5,
            "metric_5": step + 0.625,
            "metric_6": step + 0.75,
            "metric_7": step + 0.875,
        }
        target.on_epoch(step, metrics)
    return time.perf_counter_ns() - began, time.thread_time_ns() - on_processor


def block_of_nothing(target: None, steps: Sequence[int]) -> tuple[int, int]:  # noqa: ARG001  # the shape of a block
    """Return what the loop around a block's events costs, in ns."""
    on_processor, began = time.thread_time_ns(), time.perf_counter_ns()
    for step in steps:
        metrics = {
            "metric_0": step + 0.0,
            "metric_1": step + 0.125,
            "metric_2": step + 0.25,
            "metric_3": step + 0.375,
            "metric_4": step + 0.5,
            "metric_5": step + 0.625,
            "metric_6": step + 0.75,
            "metric_7": step + 0.875,
        }
        assert metrics
    return time.perf_counter_ns() - began, time.thread_time_ns() - on_processor


def single_batches(target: BatchReporter, steps: Sequence[int]) -> list[int]:
    """Return the time of each event, in ns, the clock's own cost included."""
    clock = time.perf_counter_ns
    taken = []
    for step in steps:
        metrics = event_metrics(step)
        began = clock()
        target.on_batch(step, BATCHES, metrics)
        taken.append(clock() - began)
    return taken


def single_epochs(target: EpochReporter, steps: Sequence[int]) -> list[int]:
    """Like `single_batches`, for `on_epoch`."""
    clock = time.perf_counter_ns
    taken = []
    for step in steps:
        metrics = event_metrics(step)
        began = clock()
        target.on_epoch(step, metrics)
        taken.append(clock() - began)
    return taken


def single_nothing(target: None, steps: Sequence[int]) -> list[int]:  # noqa: ARG001  # the shape of a block
    """Return what timing an event costs, in ns."""
    clock = time.perf_counter_ns
    taken = []
    for _ in steps:
        began = clock()
        taken.append(clock() - began)
    return taken


def own_copy(function: Any) -> Any:
    """Return a copy of a function with code of its own: Python specialises call sites, and each way gets its own."""
    return FunctionType(function.__code__.replace(), function.__globals__, function.__name__)


@dataclass
class Contender:
    """One way to report, and what it took.

    Attributes:
        name: In the table.
        target: What is called.
        steps: Of the events of one block.
        block: Times a block.
        single: Times its events one by one.
        blocks: Means of the blocks, in ns an event.
        on_processor: The same, without the time in which others had the processor.
        singles: Single events, in ns.
    """

    name: str
    target: Any
    steps: Sequence[int]
    block: Block
    single: Singles
    blocks: list[float] = field(default_factory=list)
    on_processor: list[float] = field(default_factory=list)
    singles: list[int] = field(default_factory=list)

    def run(self, *, keep: bool) -> None:
        """Run one block of each kind."""
        block, on_processor = self.block(self.target, self.steps)
        singles = self.single(self.target, self.steps)
        settle = getattr(self.target, "settle", None)
        if settle is not None:
            settle()
        if keep:
            self.blocks.append(block / len(self.steps))
            self.on_processor.append(on_processor / len(self.steps))
            self.singles.extend(singles)

    def mean(self, part: int | None = None) -> float:
        """Return the mean in ns an event, of a part of the run or of all."""
        size = len(self.blocks) // PARTS
        return fmean(self.blocks if part is None else self.blocks[part * size : (part + 1) * size])

    def percentile(self, share: float) -> int:
        """Return the time below which `share` of the single events lies, in ns."""
        ordered = sorted(self.singles)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def contender(name: str, target: Any, count: int, block: Block, single: Singles = single_batches) -> Contender:
    """Return a contender with blocks of `count` events."""
    steps = [1 + index % BATCHES for index in range(count)]
    return Contender(name, target, steps, own_copy(block), own_copy(single))


def ratio(slower: Contender, faster: Contender, loop: Contender) -> tuple[float, float, float]:
    """Return (median, lowest, highest) over the parts of the run of one mean over another, without the loop's cost."""
    parts = sorted(
        (slower.mean(part) - loop.mean(part)) / (faster.mean(part) - loop.mean(part)) for part in range(PARTS)
    )
    return median(parts), parts[0], parts[-1]


def measure(rounds: int, folder: Path, stack: ExitStack) -> tuple[list[Contender], dict[str, Any]]:
    """Run everything; return the contenders and what the reader saw."""
    journal = folder / "journal"
    bridge = stack.enter_context(Bridge.create(journal, limit_bytes=8 * 2**30))
    bridge.set_phase("train", total=EPOCHS, unit="epochs")
    batches, epochs = block_of_batches, block_of_epochs
    plain, pushing, board = InMemory(), InLoop(), InTensorBoard(folder / "board")
    stack.enter_context(closing(pushing))
    stack.enter_context(closing(board))
    contenders = [
        contender("plain in-memory bridge (the baseline)", plain, BLOCK, batches),
        contender("ktrdr_bridge on_batch", bridge, BLOCK, batches),
        contender("ktrdr_bridge on_epoch", bridge, BLOCK, epochs, single_epochs),
        contender("plain in-memory bridge, an epoch", plain, BLOCK, epochs, single_epochs),
        contender("queue.Queue.put_nowait", InQueue(), BLOCK, batches),
        contender("run_coroutine_threadsafe, not awaited", pushing, BLOCK // 16, batches),
        contender("prometheus_client, 8 labelled gauges", InPrometheus(), BLOCK // 16, batches),
        contender("TensorBoard add_scalar x 8", board, BLOCK // 128, batches),
        contender("(the loop; the clock)", None, BLOCK, block_of_nothing, single_nothing),
    ]
    command = [sys.executable, "-m", "benchmarks.journal_follower", str(journal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe) as reader:
        for number in range(WARM_UP_ROUNDS + rounds):
            # There and back, so that the ways with threads of their own disturb nobody but each other.
            for each in contenders if number % 2 else reversed(contenders):
                each.run(keep=number >= WARM_UP_ROUNDS)
        seen, _ = reader.communicate("")
    written = 4 * BLOCK * (WARM_UP_ROUNDS + rounds)
    return contenders, {"rows": 0, **json.loads(seen or "{}"), "written": written}


def report(contenders: list[Contender], seen: dict[str, Any]) -> bool:
    """Print the table and the targets; return whether all are met."""
    plain, on_batch, on_epoch, *_ = contenders
    pushed, _, board, loop = contenders[-4:]
    print(f"{'one event of 8 metrics':40}{'mean ns':>10}{'CPU ns':>10}{'p50':>10}{'p99.9':>12}{'x baseline':>12}")
    for each in contenders[:-1]:
        print(line(each, loop), f"{ratio(each, plain, loop)[0]:>11.2f}")
    print(line(loop, None))
    print("The loop is taken off the means; the clock is in the percentiles.\n")
    compared = [
        ("mean of on_batch over the baseline's", ratio(on_batch, plain, loop), "<=", 1.1),
        ("run_coroutine_threadsafe over on_batch", ratio(pushed, on_batch, loop), ">=", 20.0),
        ("TensorBoard add_scalar x 8 over on_batch", ratio(board, on_batch, loop), ">=", 400.0),
    ]
    verdicts = []
    for name, each in (("on_batch p50, ns", on_batch), ("on_epoch p50, ns", on_epoch)):
        verdicts.append(verdict(name, f"{each.percentile(0.5):,}", "<= 1,000", each.percentile(0.5) <= 1_000))
    for name, (middle, lowest, highest), relation, bound in compared:
        met = middle <= bound if relation == "<=" else middle >= bound
        verdicts.append(verdict(name, f"{middle:.2f} ({lowest:.2f} to {highest:.2f})", f"{relation} {bound:g}", met))
    complete = seen.get("problem") == "" and seen["rows"] == seen["written"]
    what = f"{seen['rows']:,} of {seen['written']:,} rows in {seen.get('polls', 0):,} polls {seen.get('problem', '')}"
    used = (fmean(on_batch.on_processor) - fmean(loop.on_processor)) / (
        fmean(plain.on_processor) - fmean(loop.on_processor)
    )
    print(f"      (of processor time, which a busy machine disturbs less: {used:.2f} x the baseline's)")
    verdicts.append(verdict("the reader saw every point once, in order", what, "all", complete))
    return all(verdicts)


def line(each: Contender, loop: Contender | None) -> str:
    """Return a line of the table."""
    wall, processor = each.mean(), fmean(each.on_processor)
    if loop is not None:
        wall, processor = wall - loop.mean(), processor - fmean(loop.on_processor)
    percentiles = f"{each.percentile(0.5):>10,}{each.percentile(0.999):>12,}"
    return f"{each.name:40}{wall:>10,.0f}{processor:>10,.0f}{percentiles}"


def verdict(name: str, value: str, target: str, met: bool) -> bool:
    """Print one target's line and return whether it is met."""
    print(f"{'PASS' if met else 'MISS'}  {name}: {value}, target {target}")
    return met


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether every target was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of blocks of all ways (default 30)")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("prometheus_client", "tensorboard"))
    load = os.getloadavg()[0]
    print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}; {versions}")
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder, ExitStack() as stack:
        contenders, seen = measure(max(options.rounds, PARTS), Path(folder), stack)
    return 0 if report(contenders, seen) else 1


if __name__ == "__main__":
    sys.exit(main())
