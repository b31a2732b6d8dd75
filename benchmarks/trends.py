"""What it costs to look for trends: one row at a time, 10,000 operations at once, and a whole history again.

`python -m benchmarks.trends [--json FILE]`. A row is what a host tells of one epoch. Beside it, in turns: packing the
same row for the store, which each row costs anyway. The registry, its store and the board are real; the host is not.
Times are CPU times of one thread, medians of several turns.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from benchmarks.findings import Findings, add_json_flag
from services.common.clock import SystemClock
from services.operations.blocks import pack
from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.board import TrendBoard
from services.operations.trends.entry import take
from services.operations.trends.late import LateVerdicts
from services.operations.trends.rows import rows_of
from services.operations.trends.series_names import DEFAULT_NAMES
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS

TURNS: Final = 7
ROWS: Final = 5_000
OPERATIONS: Final = 10_000
HISTORY: Final = 200_000
LOOK_TARGET_MS: Final = 250.0
HISTORY_TARGET_S: Final = 20.0
RATIO_TARGET: Final = 10.0
BEGAN_NS: Final = 1_700_000_000_000_000_000
SERIES: Final = {
    "one loss": ("train_loss",),
    "two losses": ("train_loss", "val_loss"),
    "loss of a batch": ("batch_loss",),
    "eight series": (
        "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "gradient_norm", "epoch_seconds",
        "samples_per_second",
    ),
}  # fmt: skip


def row(names: tuple[str, ...], number: int) -> NewPoints:
    """Return one row of a training that falls, with some noise."""
    value = 0.4 + 0.6 / (1 + number % 500) + 0.01 * (number * 7 % 5)
    time_ns = BEGAN_NS + number * 1_000_000_000
    series = tuple(
        MetricSeries(name=name, first_seq=number, steps=[number], values=[value], times=[time_ns]) for name in names
    )
    return NewPoints("journal", series, number, number, len(names))


def rows_one_by_one(findings: Findings) -> None:
    """Measure a row at a time."""
    for what, names in SERIES.items():
        rows = [row(names, number) for number in range(ROWS)]

        def look(rows: list[NewPoints] = rows) -> None:
            trends = AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES)
            for one in rows:
                take(trends, one)

        def packed(rows: list[NewPoints] = rows) -> None:
            for one in rows:
                pack(one.series)

        times = in_turns({"look": look, "pack": packed})
        microseconds = {name: found / ROWS * 1e6 for name, found in times.items()}
        findings.keep(what, **microseconds)
        ratio = microseconds["look"] / microseconds["pack"]
        told = f"{microseconds['look']:.1f} µs, {ratio:.1f} times packing it ({microseconds['pack']:.1f} µs)"
        findings.check(what, ratio, told, f"at most {RATIO_TARGET:.0f} times", passed=ratio <= RATIO_TARGET)


def in_turns(ways: Mapping[str, Callable[[], None]]) -> dict[str, float]:
    """Return the median of the seconds of CPU of each way, in turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            began = time.process_time()
            way()
            if turn:  # the first one warms up
                found[name].append(time.process_time() - began)
    return {name: statistics.median(each) for name, each in found.items()}


class Nobody:
    """Stops and amends nothing."""

    async def cancel(self, operation_id: str, *, reason: str, urgent: bool) -> pb.Operation:  # noqa: ARG002 - the board's
        """Do nothing."""
        return pb.Operation(id=operation_id)

    async def change(self, operation_id: str, change: object) -> OperationState:  # noqa: ARG002 - the board's
        """Do nothing."""
        return OperationState(pb.Operation(id=operation_id))


async def many_operations(findings: Findings, folder: Path) -> None:
    """Measure a look at many operations, each with a new row."""
    store, clock = await Store.open(folder / "store.sqlite3"), SystemClock()
    registry = await Registry.load(store, clock)
    board = TrendBoard(
        registry,
        store.read,
        {},
        Nobody(),
        clock,
        thresholds=DEFAULT_THRESHOLDS,
        names=DEFAULT_NAMES,
        interval_seconds=3600.0,
        refresh_seconds=5.0,
    )
    board.start(LateVerdicts(registry, store.read, Nobody(), DEFAULT_THRESHOLDS, DEFAULT_NAMES, clock))
    for number in range(OPERATIONS):
        record = pb.Operation(id=f"{number:012d}", state=State.STATE_RUNNING, attempt=1)
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED), stored_points=2)
        registry.live[operation.id] = operation
    notes, looks = [], []
    for number in range(TURNS + 12):
        points = row(SERIES["two losses"], number)
        began = time.process_time()
        for operation in registry.live.values():
            registry.tell_points(operation, points, 1)
        noted = time.process_time()
        await board.look()
        if number >= 12:  # the first verdicts of all have been stored by then
            notes.append(noted - began)
            looks.append(time.process_time() - noted)
    note_ms, look_ms = statistics.median(notes) * 1e3, statistics.median(looks) * 1e3
    findings.keep("many operations", operations=OPERATIONS, note_ms=note_ms, look_ms=look_ms)
    told = f"{look_ms:.0f} ms of CPU, and {note_ms:.0f} ms to note the points"
    name = f"a look at {OPERATIONS:,} operations with a new row each"
    findings.check(name, look_ms, told, f"at most {LOOK_TARGET_MS:.0f} ms", passed=look_ms <= LOOK_TARGET_MS)
    await board.close()
    await store.close()


def whole_history(findings: Findings) -> None:
    """Measure a run over a long history."""
    names = SERIES["loss of a batch"]
    numbers = range(HISTORY)
    times, values = [BEGAN_NS + n * 10_000_000 for n in numbers], [0.4 + 1 / (1 + n) for n in numbers]
    series = [MetricSeries(name=name, first_seq=0, steps=numbers, values=values, times=times) for name in names]

    def look() -> None:
        AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES).take("journal", rows_of(series))

    seconds = in_turns({"look": look})["look"]
    million = seconds / HISTORY * 1e6
    findings.keep("whole history", rows=HISTORY, seconds=seconds)
    told = f"{seconds:.2f} s for {HISTORY:,} rows, {million:.1f} s a million"
    findings.check(
        "a whole history",
        million,
        told,
        f"at most {HISTORY_TARGET_S:.0f} s a million",
        passed=million <= HISTORY_TARGET_S,
    )


def main() -> int:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("trends")
    findings.head()
    rows_one_by_one(findings)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(many_operations(findings, Path(folder)))
    whole_history(findings)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
