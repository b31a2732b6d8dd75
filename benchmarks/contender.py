"""Ways to report, run in turn: blocks of events in tight loops, and single events."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import FunctionType
from typing import Any

from benchmarks.journal_follower import event_metrics
from benchmarks.ways import BatchReporter, EpochReporter

BATCHES = 64
PARTS = 5
"""A run is cut into these."""
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
