"""A loop that reports at random times: `python -m benchmarks.watch_staleness_writer HOME SESSION_ID EVENTS`.

The time of each point is when it was written.
"""

import random
import sys
import time

import ktrdr_bridge


def main(home: str, session_id: str, events: int) -> None:
    """Report."""
    rng = random.Random(1)
    with ktrdr_bridge.open_session("staleness", home=home, session_id=session_id) as bridge:
        bridge.set_phase("train", total=events, unit="batches")
        for number in range(events):
            time.sleep(rng.uniform(0.03, 0.2))
            bridge.on_batch(number + 1, events, {"loss": 1.0 / (number + 1)})
        time.sleep(1.0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
