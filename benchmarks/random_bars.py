"""Daily bars of a random walk, as a file that a training reads."""

import csv
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

COUNT = 3_270
"""As many as the recorded history of AAPL has that the demo trains on."""
FIRST_DAY = datetime(2000, 3, 1, tzinfo=UTC)


def write_bars(path: Path, *, seed: int = 1) -> Path:
    """Write bars as CSV, and return the path: no weekends, prices positive, high and low enclose open and close."""
    source = random.Random(seed)
    day, close = FIRST_DAY, 100.0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", "open", "high", "low", "close", "volume"))
        for _ in range(COUNT):
            opening, close = close, close * math.exp(source.gauss(0, 0.02))
            high, low = max(opening, close) * 1.005, min(opening, close) * 0.995
            writer.writerow((day.isoformat(), opening, high, low, close, source.randint(100_000, 1_000_000)))
            day += timedelta(days=3 if day.isoweekday() == 5 else 1)
    return path
