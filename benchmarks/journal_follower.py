"""A reader beside the bridge benchmark: polls the journal 100 times a second and checks every point.

`python -m benchmarks.journal_follower JOURNAL`: reads until its standard input ends and the journal has nothing more,
then prints a JSON object {rows, polls, busy_seconds, problem}.
"""

import json
import select
import sys
import time
from pathlib import Path

from ktrdr_bridge import JournalRead, JournalReader

POLL_SECONDS = 0.01
METRICS = 8


def event_metrics(step: int) -> dict[str, float]:
    """Return the metrics that the benchmark reports at a step: every value tells step and column."""
    return {f"metric_{column}": step + column / METRICS for column in range(METRICS)}


def problem_in(found: JournalRead, first_seq: int) -> str:
    """Return what is wrong with a read that should start at `first_seq`, or an empty text."""
    if found.damage or found.reset or not found.recording:
        return found.damage or ("reset" if found.reset else "recording has stopped")
    if not found.series:
        return ""
    seqs = found.series[0].seqs
    if len(found.series) != METRICS or list(seqs) != list(range(first_seq, found.next.seq)):
        return f"the points from seq {first_seq} on are not each there once, in order"
    for column, series in enumerate(found.series):
        if series.seqs != seqs:
            return f"{series.name} has other seqs than the first series"
        if any(value != step + column / METRICS for value, step in zip(series.values, series.steps, strict=True)):
            return f"{series.name} has a value that was not written"
    return ""


def follow(path: Path) -> dict[str, object]:
    """Read to the end of input, then to the journal's end."""
    reader = JournalReader(path)
    after, rows, polls, busy_seconds, finishing = None, 0, 0, 0.0, False
    while True:
        began = time.perf_counter()
        found = reader.read(after, max_points=40_000)
        problem = problem_in(found, rows)
        after, rows, polls = found.next, found.next.seq, polls + 1
        spent = time.perf_counter() - began
        busy_seconds += spent
        if problem or (finishing and not found.more):
            break
        if not finishing:
            finishing = bool(select.select([sys.stdin], [], [], max(0.0, POLL_SECONDS - spent))[0])
    return {"rows": rows, "polls": polls, "busy_seconds": busy_seconds, "problem": problem}


if __name__ == "__main__":
    print(json.dumps(follow(Path(sys.argv[1]))))
