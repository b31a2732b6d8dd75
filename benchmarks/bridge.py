"""One event of eight metrics: the bridge beside other ways to report it, interleaved in one run.

`python -m benchmarks.bridge`. Each event's dict is made anew, as a training loop makes it: a way that keeps its records
in memory keeps their numbers alive, and that is part of its price. What the loop itself costs is taken off. A reader
process polls the journal 100 times a second all the while, and checks that it sees every point once and in order.
Blocks of all ways alternate, so that the machine's own moods hit all of them; the run is cut into parts, and each ratio
of means is the median of the parts.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import fmean, median
from typing import Any

from ktrdr_bridge import Bridge

from benchmarks.contender import (
    PARTS,
    Contender,
    block_of_batches,
    block_of_epochs,
    block_of_nothing,
    contender,
    single_epochs,
    single_nothing,
)
from benchmarks.findings import Findings, add_json_flag
from benchmarks.peers import installed_peers
from benchmarks.ways import EPOCHS, InLoop, InMemory, InPrometheus, InQueue, InTensorBoard

PEERS = ("prometheus_client", "tensorboard", "tqdm", "wandb", "mlflow-skinny")
WARM_UP_ROUNDS = 3
BLOCK = 4_096


def ratio(slower: Contender, faster: Contender, loop: Contender) -> tuple[float, float, float]:
    """Return (median, lowest, highest) over the parts of the run of one mean over another, without the loop's cost."""
    parts = sorted(
        (slower.mean(part) - loop.mean(part)) / (faster.mean(part) - loop.mean(part)) for part in range(PARTS)
    )
    return median(parts), parts[0], parts[-1]


def make_contenders(bridge: Bridge, folder: Path, stack: ExitStack) -> dict[str, Contender]:
    """Return all ways by a short name: the peers and the ways with threads of their own next to each other."""
    batches, epochs = block_of_batches, block_of_epochs
    plain, pushing, board = InMemory(), InLoop(), InTensorBoard(folder / "board")
    stack.enter_context(closing(pushing))
    stack.enter_context(closing(board))
    return {
        "plain": contender("plain in-memory bridge (the baseline)", plain, BLOCK, batches),
        "on_batch": contender("ktrdr_bridge on_batch", bridge, BLOCK, batches),
        "on_epoch": contender("ktrdr_bridge on_epoch", bridge, BLOCK, epochs, single_epochs),
        "plain_epoch": contender("plain in-memory bridge, an epoch", plain, BLOCK, epochs, single_epochs),
        "loop": contender("(the loop; the clock)", None, BLOCK, block_of_nothing, single_nothing),
        "queue": contender("queue.Queue.put_nowait", InQueue(), BLOCK, batches),
        "pushed": contender("run_coroutine_threadsafe, not awaited", pushing, BLOCK // 16, batches),
        "prometheus": contender("prometheus_client, 8 labelled gauges", InPrometheus(), BLOCK // 16, batches),
        **{
            name: contender(name, target, BLOCK // fewer, batches)
            for name, target, fewer in installed_peers(folder, stack)
        },
        "board": contender("TensorBoard add_scalar x 8", board, BLOCK // 128, batches),
    }


def measure(rounds: int, folder: Path, stack: ExitStack) -> tuple[dict[str, Contender], dict[str, Any]]:
    """Run everything; return the contenders and what the reader saw."""
    journal = folder / "journal"
    bridge = stack.enter_context(Bridge.create(journal, limit_bytes=8 * 2**30))
    bridge.set_phase("train", total=EPOCHS, unit="epochs")
    contenders = make_contenders(bridge, folder, stack)
    # What the peers have imported is nobody's price: the collector would look at it again for each way that allocates.
    gc.collect()
    gc.freeze()
    command = [sys.executable, "-m", "benchmarks.journal_follower", str(journal)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe) as reader:
        for number in range(WARM_UP_ROUNDS + rounds):
            # There and back, so that the ways with threads of their own disturb nobody but each other.
            for each in list(contenders.values())[:: 1 if number % 2 else -1]:
                each.run(keep=number >= WARM_UP_ROUNDS)
        seen, _ = reader.communicate("")
    written = 4 * BLOCK * (WARM_UP_ROUNDS + rounds)
    return contenders, {"rows": 0, **json.loads(seen or "{}"), "written": written}


def report(contenders: dict[str, Contender], findings: Findings) -> None:
    """Print the table and hold it against the targets."""
    plain, on_batch, on_epoch, loop = (contenders[name] for name in ("plain", "on_batch", "on_epoch", "loop"))
    columns = f"{'mean ns':>11}{'CPU ns':>11}{'p50':>11}{'p99.9':>12}{'x plain':>10}{'x bridge':>10}"
    print(f"{'one event of 8 metrics':40}{columns}")
    for name, each in contenders.items():
        against = "" if each is loop else "".join(f"{ratio(each, to, loop)[0]:>10.2f}" for to in (plain, on_batch))
        print(line(each, None if each is loop else loop) + against)
        findings.keep(name, way=each.name, **figures(each, None if each is loop else loop))
    print("The loop is taken off the means; the clock is in the percentiles.\n")
    for what, each in (("on_batch p50, ns", on_batch), ("on_epoch p50, ns", on_epoch)):
        middle = each.percentile(0.5)
        findings.check(what, middle, f"{middle:,}", "<= 1,000", passed=middle <= 1_000)
    for what, slower, faster, relation, bound in (
        ("mean of on_batch over the baseline's", on_batch, plain, "<=", 1.1),
        ("run_coroutine_threadsafe over on_batch", contenders["pushed"], on_batch, ">=", 20.0),
        ("TensorBoard add_scalar x 8 over on_batch", contenders["board"], on_batch, ">=", 400.0),
    ):
        value, lowest, highest = ratio(slower, faster, loop)
        met = value <= bound if relation == "<=" else value >= bound
        told = f"{value:.2f} ({lowest:.2f} to {highest:.2f})"
        findings.check(what, value, told, f"{relation} {bound:g}", passed=met)
    used = figures(on_batch, loop)["cpu_ns"] / figures(plain, loop)["cpu_ns"]
    print(f"      (of processor time, which a busy machine disturbs less: {used:.2f} x the baseline's)")


def check_reader(seen: dict[str, Any], findings: Findings) -> None:
    """Hold what the reader saw against what was written."""
    complete = seen.get("problem") == "" and seen["rows"] == seen["written"]
    told = f"{seen['rows']:,} of {seen['written']:,} rows in {seen.get('polls', 0):,} polls {seen.get('problem', '')}"
    findings.check("the reader saw every point once, in order", None, told.strip(), "all", passed=complete)


def figures(each: Contender, loop: Contender | None) -> dict[str, float]:
    """Return a way's figures in ns an event, with the loop's cost taken off the means where it is given."""
    wall, processor = each.mean(), fmean(each.on_processor)
    if loop is not None:
        wall, processor = wall - loop.mean(), processor - fmean(loop.on_processor)
    return {
        "mean_ns": wall,
        "cpu_ns": processor,
        "p50_ns": each.percentile(0.5),
        "p999_ns": each.percentile(0.999),
    }


def line(each: Contender, loop: Contender | None) -> str:
    """Return a line of the table."""
    told = figures(each, loop)
    return f"{each.name:40}{told['mean_ns']:>11,.0f}{told['cpu_ns']:>11,.0f}{told['p50_ns']:>11,}{told['p999_ns']:>12,}"


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether every target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of blocks of all ways (default 30)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("bridge")
    findings.head()
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder, ExitStack() as stack:
        contenders, seen = measure(max(options.rounds, PARTS), Path(folder), stack)
        print(versions())
    report(contenders, findings)
    check_reader(seen, findings)
    return findings.write(options.json)


def versions() -> str:
    """Tell what the bridge was compared with."""
    found = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
    return ", ".join(f"{name} {found[name]}" for name in PEERS if name in found)


if __name__ == "__main__":
    sys.exit(main())
