"""The workers of many sessions in one process: `python -m benchmarks.status_scale_writer FOLDER…`.

Creates a journal in each folder, then takes a number a line from its standard input, writes one row into that many
journals, and answers with a line.
"""

import contextlib
import sys
from pathlib import Path

from ktrdr_bridge import Bridge

from benchmarks.status_scale_folders import event_metrics

FIRST_ROWS = 50


def main(folders: list[Path]) -> None:
    """Write rows as asked, until the input ends."""
    with contextlib.ExitStack() as stack:
        bridges = []
        for folder in folders:
            bridge = stack.enter_context(Bridge.create(folder / "journal", segment_bytes=2**20))
            bridge.set_phase("train", total=1_000_000, unit="epochs")
            for step in range(1, FIRST_ROWS + 1):
                bridge.on_epoch(step, event_metrics(step))
            bridges.append(bridge)
        print("ready", flush=True)
        step = FIRST_ROWS
        for line in sys.stdin:
            step += 1
            for bridge in bridges[: int(line)]:
                bridge.on_epoch(step, event_metrics(step))
            print("written", flush=True)


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
