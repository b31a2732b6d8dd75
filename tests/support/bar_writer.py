"""A process that merges bars into a dataset until it is ended, or has done so often enough, and says what is stored.

Run as `python -m tests.support.bar_writer HOME NUMBER COUNT`. Writer NUMBER has 500 days for itself, over two years or
three; its i-th merge sets all of their prices to i, and is told by a line once it has returned.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.bar_store import BarStore
from tests.support.stored_bars import bar_key, bars_from

KEY = bar_key(bars_pb2.BAR_SIZE_1_DAY)
DAYS = 500


def first_day(number: int) -> datetime:
    """Return the first day of a writer."""
    return datetime(1990, 7, 1, tzinfo=UTC) + timedelta(days=DAYS * number)


def main(home: Path, number: int, count: int) -> None:
    """Merge, and tell of each merge."""
    store = BarStore(home)
    for turn in range(1, count + 1):
        store.merge(KEY, bars_from(first_day(number), DAYS, close=float(turn)))
        sys.stdout.write(f"{turn}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
