"""Use all of the bridge with nothing but the standard library, under whatever interpreter runs this.

`python -I -S exercise_bridge.py CLIENTS FOLDER`: CLIENTS holds the `ktrdr_bridge` package. Warnings are errors.
"""

import atexit
import math
import multiprocessing
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.simplefilter("error")
CLIENTS, FOLDER = sys.argv[1:3]
sys.path.insert(0, CLIENTS)

import ktrdr_bridge as kb  # noqa: E402  # found by the line above

LIMIT = 640 * 1_024
NAMES = [f"metric {number}" for number in range(200)]


def expect(condition: object, what: str) -> None:
    """End with a message unless a condition holds; assertions may be switched off."""
    if not condition:
        sys.exit(f"not so: {what}")


def read_all(journal: Path) -> tuple[dict[str, list[tuple[int, float]]], kb.JournalRead]:
    """Read in pages to the end."""
    reader = kb.JournalReader(journal)
    points: dict[str, list[tuple[int, float]]] = {}
    after = None
    while True:
        found = reader.read(after, max_points=3_000)
        expect(not found.damage, "the journal is whole")
        for series in found.series:
            points.setdefault(series.name, []).extend(zip(series.seqs, series.values))  # noqa: B905  # same lengths
        after = found.next
        if not found.more:
            reader.close()
            return points, found


def write_and_thin(journal: Path) -> None:
    """Write until the journal is thinned, resume it, and read it."""
    for _ in range(2):
        with kb.Bridge.resume(journal, control=journal.with_name("control"), limit_bytes=LIMIT) as bridge:
            bridge.set_phase("train", total=10, unit="epochs")
            for number in range(500):
                bridge.on_batch(number, 500, {name: number + column / 256 for column, name in enumerate(NAMES)})
                if number % 50 == 49:
                    bridge.on_epoch(number // 50 + 1, {"val_loss": math.nan, "best": math.inf})
            bridge.advance(10, step="done")
            bridge.on_rows(10, rows=7)
            expect(bridge.recording, "it records")
    points, found = read_all(journal)
    expect(found.thinning is not None and found.thinning.generation > 0, "the journal was thinned")
    expect(len(points["val_loss"]) == 20, "small series stay whole")
    expect(all(value == int(value) for _, value in points["metric 0"]), "values are those that were written")
    expect((found.progress.phase, found.progress.completed) == ("train", 10.0), "progress is the newest")


def refuse_in_child(bridge: kb.Bridge) -> None:
    """In a child process: every write is refused, and closing harms nothing."""
    writes: tuple[Callable[[], None], ...] = (
        lambda: bridge.on_batch(1, 2, {"a": 1.0}),
        lambda: bridge.on_epoch(1, {"a": 1.0}),
        lambda: bridge.on_rows(1, rows=1),
        lambda: bridge.advance(1),
        lambda: bridge.set_phase("x"),
        lambda: bridge.wait_reason("x"),
    )
    for write in writes:
        try:
            write()
        except kb.ForkedBridge:
            continue
        os._exit(3)
    bridge.close()
    bridge.close()


def fork(journal: Path) -> None:
    """Fork, by hand and by multiprocessing, while segments are prepared and series are thinned."""
    bridge = kb.Bridge.create(journal, limit_bytes=LIMIT)
    context = multiprocessing.get_context("fork")
    for number in range(300):
        bridge.on_batch(number, 300, {name: float(number) for name in NAMES})
        if number % 60 == 59:
            pid = os.fork()  # a living thread would make this a DeprecationWarning from Python 3.12 on
            if pid == 0:
                refuse_in_child(bridge)
                os._exit(0)
            expect(os.waitpid(pid, 0)[1] == 0, "a forked child is refused")
            process = context.Process(target=refuse_in_child, args=(bridge,))
            process.start()
            process.join()
            expect(process.exitcode == 0, "a forked process is refused")
    expect(threading.active_count() <= 2, "threads do not pile up")
    try:
        pickle.dumps(bridge)
    except TypeError as error:
        expect("one writer" in str(error), "pickling is refused in words")
    bridge.close()
    expect(read_all(journal)[1].next.seq == 300, "all rows are there")


class Owner:
    """Closes its bridge when it is collected."""

    def __init__(self, bridge: kb.Bridge) -> None:
        self.bridge = bridge

    def __del__(self) -> None:
        self.bridge.close()


def close_late(folder: Path) -> None:
    """Leave bridges to be closed by a finalizer, at exit, and by nobody."""
    owner = Owner(kb.Bridge.create(folder / "collected"))
    owner.bridge.on_epoch(1, {"a": 1.0})
    del owner
    late = kb.Bridge.create(folder / "at-exit", limit_bytes=LIMIT)
    atexit.register(late.close)
    atexit.register(late.close)
    left = kb.Bridge.create(folder / "left", limit_bytes=LIMIT)
    for number in range(180):
        for bridge in (late, left):
            bridge.on_batch(number, 180, {name: float(number) for name in NAMES})
    globals()["left_over"] = Owner(left)  # collected when the interpreter is nearly gone


def main() -> None:
    """Run everything."""
    folder = Path(FOLDER)
    write_and_thin(folder / "journal")
    kb.request_stop(folder / "control", reason="enough")
    with kb.Bridge.resume(folder / "journal", control=folder / "control") as bridge:
        expect(bridge.cancelled and bridge.stop_request is not None, "a stop request is seen")
    fork(folder / "forked")
    close_late(folder)
    foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"ktrdr_bridge"}
    expect(not {name for name in foreign if not name.startswith("__")}, f"only the standard library: {foreign}")
    sys.stdout.write("all is well\n")


if __name__ == "__main__":
    main()
