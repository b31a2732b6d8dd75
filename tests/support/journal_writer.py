"""A process that reports to a journal as fast as it can, for tests that read beside it or kill it.

`python -m tests.support.journal_writer JOURNAL SEED EVENTS`: what it reports follows from the seed (see `events`). It
prints "ready" once the journal exists, and every 500 events how many it has reported.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from ktrdr_bridge import Bridge

NAMES = tuple(f"metric {number}" for number in range(8))


def events(seed: int) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield (kind, step, metrics) without end; the value of a metric tells its seq and column."""
    dice = random.Random(seed)
    seq, epoch = 0, 0
    while True:
        epoch += 1
        names = NAMES[: dice.choice([1, 2, 8])]
        for batch in range(1, dice.choice([3, 40, 700])):
            yield "batch", batch, {name: seq + column / 8 for column, name in enumerate(names)}
            seq += 1
        yield "epoch", epoch, {name: seq + column / 8 for column, name in enumerate(NAMES[:3])}
        seq += 1


def tell(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Report until killed, or until there were enough events."""
    journal, seed, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    bridge = Bridge.resume(journal, segment_bytes=65_536, limit_bytes=2**30)
    bridge.set_phase("train", total=100_000, unit="epochs")
    tell("ready")
    for count, (kind, step, metrics) in enumerate(events(seed), 1):
        if kind == "batch":
            bridge.on_batch(step, 700, metrics)
        else:
            bridge.on_epoch(step, metrics)
        if count % 500 == 0:
            tell(str(count))
        if count >= most:
            break
    bridge.close()


if __name__ == "__main__":
    main()
