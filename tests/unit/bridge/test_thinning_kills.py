"""A writer killed between any two system calls of a thinning leaves the old generation or the new one, whole."""

import fcntl
import mmap
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ktrdr_bridge import Bridge, JournalReader

from tests.support.journal_model import Written, check_kept, check_whole, read_all

LIMIT = 640 * 1_024
NAMES = [f"metric {number}" for number in range(250)]
ROWS = 420
CALLS = ("open", "close", "unlink", "replace", "pwrite", "pread", "readv", "posix_fallocate")


def event(seq: int) -> tuple[str, int, dict[str, float]]:
    if seq % 20 == 19:
        return "epoch", seq // 20 + 1, {"val_loss": float(seq)}
    return "batch", seq % 20 + 1, {name: seq + column / 256 for column, name in enumerate(NAMES)}


def written(rows: int) -> Written:
    return Written([event(seq) for seq in range(rows)])


def report(bridge: Bridge, first: int, last: int, reported: Callable[[int], None]) -> None:
    model = Written()
    for seq in range(first, last):
        model.report(bridge, *event(seq))
        reported(seq + 1)


def die_at(call: int) -> None:
    """Let this process be killed just before the so-many-th system call after a next generation was begun."""
    calls = -1

    def traced(real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            if calls >= 0 or (arguments and str(arguments[0]).endswith(".next")):
                calls += 1
            if calls == call + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return wrapper

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, traced(getattr(os, name)))
    fcntl.flock = traced(fcntl.flock)


def write_until_killed(journal: Path, counter: mmap.mmap, call: int) -> bool:
    """Write in a forked child; return whether it was killed."""

    def note(rows: int) -> None:
        counter[:8] = rows.to_bytes(8, "little")

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_at(call)
            with Bridge.create(journal, limit_bytes=LIMIT) as bridge:
                bridge.set_phase("train", total=ROWS // 20, unit="epochs")
                report(bridge, 0, ROWS, note)
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status != 0


@pytest.mark.kill
@pytest.mark.parametrize("call", range(0, 104, 4))
def test_a_kill_anywhere_in_a_thinning_leaves_one_whole_generation(tmp_path: Path, call: int) -> None:
    journal = tmp_path / "journal"
    with mmap.mmap(-1, 4_096) as counter:
        was_killed = write_until_killed(journal, counter, call)
        reported = int.from_bytes(counter[:8], "little")
    assert was_killed or reported == ROWS
    reader = JournalReader(journal)
    seen, found = read_all(reader)
    reader.close()
    assert found.damage == ""
    assert found.next.seq - reported in {0, 1}
    seen.check(written(found.next.seq))
    check_kept(seen.seqs, found, written(found.next.seq))
    assert found.progress.phase == "train"

    with Bridge.resume(journal, limit_bytes=LIMIT) as bridge:
        assert bridge.incarnation == found.incarnation
        assert [path.name for path in tmp_path.iterdir()] == ["journal"]
        reader = JournalReader(journal)
        after = reader.end().seq
        assert after - found.next.seq in {0, 1}  # a row may have been whole and not published yet
        report(bridge, after, after + 200, lambda _: None)
        reader.close()
    again = check_whole(journal, written(after + 200))
    assert again.thinning is not None
