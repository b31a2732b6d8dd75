"""The recorded daily history that the replay gateway serves, read and split-adjusted independently of the gateway."""

import csv
import gzip
import importlib.resources
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

SPLITS = {"AAPL": (date(2000, 6, 21), date(2005, 2, 28)), "MSFT": (date(2003, 2, 18),)}  # each 2 for 1


class DailyBar(NamedTuple):
    """One session: its date at midnight UTC, prices in dollars of today's share, volume in today's shares."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


def recorded_bars(symbol: str) -> list[DailyBar]:
    """Return all recorded bars of `symbol`, oldest first, adjusted for splits."""
    data = importlib.resources.files("bokeh_sampledata") / "_data" / "stocks.csv.gz"
    rows = csv.DictReader(io.StringIO(gzip.decompress(data.read_bytes()).decode()))
    bars = []
    for row in rows:
        if row["Ticker"] != symbol:
            continue
        day = date.fromisoformat(row["Date"])
        factor = 2.0 ** sum(day < split for split in SPLITS.get(symbol, ()))
        opening, high, low, close = (float(row[name]) / factor for name in ("Open", "High", "Low", "Close"))
        time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        bars.append(DailyBar(time, opening, high, low, close, float(row["Volume"]) * factor))
    return sorted(bars)


def write_recorded_bars(symbol: str, path: Path) -> Path:
    """Write the bars as CSV with the columns that the training host reads, and return the path."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(DailyBar._fields)
        writer.writerows((bar.time.isoformat(), *bar[1:]) for bar in recorded_bars(symbol))
    return path
