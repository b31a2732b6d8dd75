"""Strategies and bars for tests of the training host."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from services.training_host.bars.series import COLUMNS, Bars
from services.training_host.strategy.fault import Fault, StrategyInvalid

REFERENCE = Path(__file__).parents[2] / "examples" / "strategies" / "aapl_daily_swing.yaml"
"""The strategy that everyone starts from."""
DAY_NS = 86_400_000_000_000


def reference_text() -> str:
    """Return the YAML of the reference strategy."""
    return REFERENCE.read_text("utf-8")


def random_bars(count: int, *, seed: int = 0) -> Bars:
    """Return daily bars of a random walk around 100: prices are positive, high and low enclose open and close."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, count)))
    opening = close * np.exp(random.normal(0, 0.005, count))
    high = np.maximum(opening, close) * (1 + random.uniform(0, 0.01, count))
    low = np.minimum(opening, close) * (1 - random.uniform(0, 0.01, count))
    return Bars(
        symbol="TEST",
        timeframe="1d",
        times=np.arange(count, dtype=np.int64) * DAY_NS,
        open=opening,
        high=high,
        low=low,
        close=close,
        volume=random.uniform(1e5, 1e6, count),
    )


def bars_of_closes(*closes: float) -> Bars:
    """Return daily bars that have one price each."""
    close = np.array(closes, dtype=np.float64)
    times = np.arange(len(closes), dtype=np.int64) * DAY_NS
    return Bars("TEST", "1d", times, close, close, close, close, np.ones(len(closes)))


def with_later_bars_scaled(bars: Bars, last: int, factor: float) -> Bars:
    """Return the bars with all values after index `last` multiplied."""
    factors = np.where(np.arange(len(bars)) > last, factor, 1.0)
    columns: Any = {name: getattr(bars, name) * factors for name in COLUMNS}
    return replace(bars, **columns)


def faults_of(error: StrategyInvalid) -> dict[str, Fault]:
    """Return faults by field."""
    return {fault.field: fault for fault in error.faults}
