"""What it costs to read the history of metrics, and to keep it in few large blocks.

`python -m benchmarks.metric_history [--json FILE]`. Histories are written as hosts tell them, a block for each row of
8 metrics (and one of a million points), and merged as the service does it. What is timed is the server's part of
QueryMetrics: questions to the store, decoding, thinning out, and the bytes of the answer; no network. Beside it, in
turns: plain `sqlite3` and NumPy on the same numbers as one blob (the floor), and the same answer made number by number
from the small blocks (how it would be done without large ones).
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from benchmarks.findings import Findings, add_json_flag
from benchmarks.metric_history_store import NAMES, World, long_history, small_blocks, world_in
from services.operations.history.histories import MetricHistories
from services.operations.history.merging.merger import Merger
from services.operations.history.query import MetricQuery

ROWS: Final = 10_000
MANY: Final = 1_000_000
COMPARED: Final = 10
COMMITS: Final = 300
TURNS: Final = 15
READ_TARGET_MS: Final = 5.0
THINNED_TARGET_MS: Final = 50.0


async def in_turns(ways: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, list[float]]:
    """Return the milliseconds of each way, in turns, sorted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            await way()
            if turn:  # the first one warms up
                times[name].append((time.perf_counter() - began) * 1e3)
    return {name: sorted(found) for name, found in times.items()}


def plain_floor(path: Path) -> Callable[[], Awaitable[object]]:
    """Return a way that reads the same numbers as one blob, with nothing but sqlite3 and NumPy."""
    numbers = np.random.default_rng(3).normal(size=(ROWS, 10))
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS plain (data BLOB)")
    connection.execute("INSERT INTO plain VALUES (?)", (numbers.tobytes(),))
    connection.commit()

    async def read() -> object:
        (data,) = connection.execute("SELECT data FROM plain").fetchone()
        return np.frombuffer(data).reshape(-1, 10).copy()

    return read


def plain_extremes(path: Path) -> Callable[[], Awaitable[object]]:
    """Return a way that finds the extremes of stretches of a million numbers, with nothing but sqlite3 and NumPy."""
    numbers = np.random.default_rng(4).normal(size=MANY)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS plain_curve (data BLOB)")
    connection.execute("INSERT INTO plain_curve VALUES (?)", (numbers.tobytes(),))
    connection.commit()

    async def read() -> object:
        (data,) = connection.execute("SELECT data FROM plain_curve").fetchone()
        stretches = np.frombuffer(data).reshape(500, -1)
        return stretches.min(axis=1), stretches.max(axis=1)

    return read


def number_by_number(path: Path, operation_id: str) -> Callable[[], Awaitable[object]]:
    """Return a way that makes the answer from small blocks, number by number."""
    connection = sqlite3.connect(path)

    async def read() -> object:
        series: dict[str, MetricSeries] = {name: MetricSeries(name=name) for name in NAMES}
        query = "SELECT data FROM metric_blocks WHERE operation_id = ? ORDER BY first_seq"
        for (data,) in connection.execute(query, (operation_id,)):
            for one in Session.FromString(data).metrics:
                found = series[one.name]
                found.steps.extend(one.steps)
                found.values.extend(one.values)
                found.times.extend(one.times)
        histories = [pb.MetricHistory(points=one) for one in series.values()]
        return pb.QueryMetricsResponse(series=histories).SerializeToString()

    return read


async def merge(world: World) -> tuple[int, float]:
    """Merge everything there is; return the number of small blocks, and the processor's microseconds for each."""
    blocks, merger = count_of(world), Merger(world.registry, world.store, share=1.0)
    began = time.process_time()
    while await merger.step():
        pass
    merged = blocks - count_of(world)
    return merged, (time.process_time() - began) / merged * 1e6


async def commits_beside_merging(world: World, findings: Findings) -> None:
    """Tell how merging, with the pauses that the service makes, disturbs commits."""
    for number in range(6):
        operation = await world.operation(f"ended{number}")
        await world.write(operation, small_blocks(5_000, seed=number))
        await world.end(operation)
    probe = await world.operation("probe")

    async def commits(goes_on: Callable[[int], bool]) -> list[float]:
        times: list[float] = []
        while goes_on(len(times)):
            began = time.perf_counter()
            await world.registry.change(probe, lambda _: None)
            times.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(0.005)
        return sorted(times)

    alone = await commits(lambda done: done < COMMITS)
    merger = Merger(world.registry, world.store)
    merger.start()
    beside = await commits(lambda done: done < COMMITS)
    await merger.close()
    told = []
    for name, times in (("alone", alone), ("beside merging", beside)):
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        findings.keep(f"commits {name}", p50_ms=p50, p99_ms=p99)
        told.append(f"{p50:.1f} and {p99:.1f} ms {name}")
    print(f"a commit, p50 and p99: {', '.join(told)}")


def count_of(world: World) -> int:
    """Return the number of blocks."""
    with closing(sqlite3.connect(world.path)) as connection:
        return int(connection.execute("SELECT count(*) FROM metric_blocks").fetchone()[0])


async def measure(merged_folder: Path, small_folder: Path, findings: Findings) -> None:
    """Write histories, merge some, and read them."""
    async with world_in(merged_folder) as merged, world_in(small_folder) as small:
        for number in range(COMPARED):
            operation = await merged.operation(f"op{number}")
            await merged.write(operation, small_blocks(ROWS, seed=number))
            await merged.end(operation)
        long = await merged.operation("long")
        await merged.write(long, long_history(MANY))
        await merged.end(long)
        await small.write(await small.operation("op0"), small_blocks(ROWS))
        blocks, microseconds = await merge(merged)
        print(f"merging: {blocks:,} blocks, {microseconds:.0f} µs of the processor each; {count_of(merged)} are left")
        findings.keep("merging", blocks=blocks, microseconds=microseconds)
        await read(merged, small, findings)
        await commits_beside_merging(small, findings)


async def read(merged: World, small: World, findings: Findings) -> None:
    """Tell what reading takes."""
    histories, fresh = (MetricHistories(world.registry, world.store.read) for world in (merged, small))

    def answer(of: MetricHistories, **query: Any) -> Callable[[], Awaitable[object]]:
        async def read() -> object:
            return await of.query(MetricQuery(**query))

        return read

    every = len(NAMES) * ROWS
    floor, by_number = "sqlite3 and NumPy, one blob", "small blocks, number by number"
    whole, ids = "10,000 x 8 points", [f"op{number}" for number in range(COMPARED)]
    rows = await in_turns(
        {
            floor: plain_floor(merged.path),
            whole: answer(histories, operation_id="op0", page_size=every),
            f"{whole} as raw rows": answer(histories, operation_id="op0", page_size=every, raw_rows=True),
            f"{whole}, not merged yet": answer(fresh, operation_id="op0", page_size=every),
            by_number: number_by_number(small.path, "op0"),
        }
    )
    tell(rows, floor, findings)
    thinned = "1,000,000 points to 1,000"
    curves = await in_turns(
        {
            "sqlite3 and NumPy, lowest and highest": plain_extremes(merged.path),
            thinned: answer(histories, operation_id="long", max_points=1_000),
            "10 operations x 8 x 10,000 to 500": answer(histories, operation_ids=ids, max_points=500),
        }
    )
    tell(curves, "sqlite3 and NumPy, lowest and highest", findings)
    for name, times, target in ((whole, rows[whole], READ_TARGET_MS), (thinned, curves[thinned], THINNED_TARGET_MS)):
        p50 = times[len(times) // 2]
        findings.check(name, p50, f"{p50:.2f} ms", f"<= {target:g} ms", passed=p50 <= target)


def tell(found: dict[str, list[float]], baseline: str, findings: Findings) -> None:
    """Tell the times of ways, and their ratios to one of them."""
    floor = found[baseline][len(found[baseline]) // 2]
    print(f"{'':<40} {'p50 ms':>8} {'slowest':>8} {'ratio':>7}")
    for name, times in found.items():
        p50 = times[len(times) // 2]
        print(f"{name:<40} {p50:8.2f} {times[-1]:8.2f} {p50 / floor:6.1f}x")
        findings.keep(name, p50_ms=p50, slowest_ms=times[-1], ratio=p50 / floor)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("metric_history")
    findings.head()
    with tempfile.TemporaryDirectory() as merged, tempfile.TemporaryDirectory() as small:
        asyncio.run(measure(Path(merged), Path(small), findings))
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
