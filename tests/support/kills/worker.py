"""A worker that keeps a ledger beside its bridge: `python -m tests.support.kills.worker --session FOLDER`.

Its spec is a TrainingSpec whose strategy is a `Plan`. In the frame "bridge" it imports the bridge and nothing else of
the product, so hundreds can be started in a test; it holds the lock and leaves the result as the frame of trainings
does.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ktrdr_bridge import Bridge, Cancelled, hold_alive_lock

from tests.support.kills.ledger import LedgerWriter, entry
from tests.support.kills.plan import BATCHES, Plan, Row, rows_of

RESULT_TYPE = "type.googleapis.com/ktrdr.training.v1.TrainingResult"


def main(folder: Path) -> None:
    """Work as planned."""
    plan = Plan.from_json(json.loads((folder / "spec.json").read_text())["strategy"])
    ledger = LedgerWriter(Path(plan.ledger), durable=plan.durable)
    if plan.frame == "session":
        in_session(folder, plan, ledger)
    else:
        in_bridge(folder, plan, ledger)


def in_bridge(folder: Path, plan: Plan, ledger: LedgerWriter) -> None:
    """Work in a frame of the standard library."""
    if (folder / "settled.json").exists():
        return
    with hold_alive_lock(folder / "alive.lock"):
        bridge = Bridge.create(
            folder / "journal", control=folder / "control", limit_bytes=plan.limit_bytes, segment_bytes=65_536
        )
        try:
            work(bridge, plan, ledger)
        except Cancelled:
            bridge.close()
            leave_result(folder, {"outcome": "cancelled"}, ledger)
        else:
            bridge.close()
            result = {"@type": RESULT_TYPE, "epochs": plan.rows}
            leave_result(folder, {"outcome": "completed", "result": result}, ledger)
        # Not released: the lock says that the process lives, and it does until it has ended.
        os._exit(0)


def leave_result(folder: Path, record: dict[str, object], ledger: LedgerWriter) -> None:
    """Leave the result in the session's folder, durably and in one step."""
    ledger.tell("ending")
    temporary = folder / "result.json.tmp"
    with temporary.open("w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "result.json")
    ledger.tell("ended")


def in_session(folder: Path, plan: Plan, ledger: LedgerWriter) -> None:
    """Work in the frame that trainings have."""
    from ktrdr.training.v1.training_pb2 import TrainingResult

    from services.host.worker import WorkerSession

    with WorkerSession.open(folder) as session:
        work(session.bridge, plan, ledger)
        ledger.tell("ending")
        session.complete(TrainingResult(epochs=plan.rows))
        ledger.tell("ended")


def work(bridge: Bridge, plan: Plan, ledger: LedgerWriter) -> None:
    """Write the rows, burst by burst. What can be prepared is: a kill should fall into the bridge's own work."""
    rows = list(rows_of(plan))
    entries = [entry(row) for row in rows]
    dice = random.Random(plan.seed)
    bridge.set_phase("train", total=plan.rows, unit="epochs")
    for start in range(0, plan.rows, plan.burst):
        burst = rows[start : start + plan.burst]
        bridge.raise_if_cancelled()
        ledger.announce("".join(entries[start : start + plan.burst]))
        if start <= plan.kill_at < start + plan.burst:
            write_until(bridge, burst, plan.kill_at - start, ledger, before=plan.kill_before)
        write(bridge, burst)
        ledger.mark(start + len(burst))
        if plan.pause_seconds:
            time.sleep(dice.expovariate(1 / plan.pause_seconds))
    bridge.raise_if_cancelled()


def write(bridge: Bridge, rows: list[Row]) -> None:
    """Report rows in a tight loop."""
    report: dict[str, Callable[[Row], None]] = {
        "batch": lambda row: bridge.on_batch(row.step, BATCHES, row.metrics),
        "epoch": lambda row: bridge.on_epoch(row.step, row.metrics),
        "rows": lambda row: bridge.on_rows(row.step, rows=row.step * 10, metrics=row.metrics),
    }
    for row in rows:
        report[row.kind](row)


def write_until(bridge: Bridge, rows: list[Row], last: int, ledger: LedgerWriter, *, before: bool) -> None:
    """Write up to one row, and end this process as a crash would: before that row, or after it and its mark's due."""
    write(bridge, rows[: last + (not before)])
    ledger.tell("killing")
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[sys.argv.index("--session") + 1]))
