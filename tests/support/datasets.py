"""Bars of several symbols and timeframes, and strategies over them, for tests of what is trained on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.aggregation import aggregate
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.series import Bars
from services.training_host.dataset import Dataset, prepare
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.strategy import Strategy
from tests.support.no_progress import NoProgress
from tests.support.trainings import random_bars

Series = dict[tuple[str, str], Bars]


class KeptPhases(NoProgress):
    """A progress that keeps the phases and their steps in their order."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.steps: list[object] = []

    def set_phase(self, name: str, **_: object) -> None:
        self.phases.append(name)

    def advance(self, completed: int, **details: object) -> None:  # noqa: ARG002 - the protocol
        self.steps.append(details.get("step", ""))


def small_strategy(
    *, symbols: Sequence[str] = ("AAPL",), timeframes: Sequence[str] = ("1d",), **parts: Any
) -> Strategy:
    """Return a strategy with short indicators: an RSI, scaled, and the NATR of all timeframes.

    Args:
        symbols: Its instruments.
        timeframes: Its timeframes, the shortest first.
        **parts: Other parts of the format, in place of those here; `training_data` and `training` are merged into them.
    """
    content: dict[str, Any] = {
        "name": "small",
        "version": "3.0",
        "training_data": {
            "symbols": {"mode": "multi_symbol", "list": list(symbols)},
            "timeframes": {
                "mode": "multi_timeframe",
                "list": list(timeframes),
                "base_timeframe": timeframes[0],
            },
            "start_date": "1970-01-01",
            "end_date": "2013-03-01",
        },
        "indicators": {"rsi": {"type": "rsi", "period": 3}, "natr": {"type": "natr", "period": 2}},
        "nn_inputs": [{"raw_indicator": "rsi", "normalization": "zscore"}, {"raw_indicator": "natr"}],
        "model": {"type": "mlp", "architecture": {"hidden_layers": [4]}},
        "decisions": {"output_format": "classification"},
        "training": {
            "labels": {"source": "forward_return", "horizon": 2, "threshold": 0.01},
            "data_split": {"train": 0.6, "validation": 0.2, "test": 0.2},
            "epochs": 1,
            "batch_size": 16,
            "learning_rate": 0.01,
        },
    }
    for name in ("training_data", "training"):
        content[name] |= parts.pop(name, {})
    return load_strategy(json.dumps(content | parts))  # JSON is YAML


def loaded(series: Series) -> LoadedBars:
    """Return series as if they had been read."""
    return LoadedBars(series, "memory", Source.SOURCE_UNSPECIFIED, [])


def random_market(strategy: Strategy, bars: int, *, seed: int = 0) -> Series:
    """Return random daily bars of each symbol, and the longer bars that they make up. The symbols begin on different
    days, and each has prices of its own."""
    series: Series = {}
    for number, symbol in enumerate(strategy.symbols):
        daily = replace(random_bars(bars + number, seed=seed + number), symbol=symbol).rows(number, bars + number)
        series |= with_longer_bars(strategy, daily)
    return series


def with_longer_bars(strategy: Strategy, base: Bars) -> Series:
    """Return base bars and the longer bars that they make up."""
    return {
        (base.symbol, timeframe): base if timeframe == base.timeframe else aggregate(base, timeframe)
        for timeframe in strategy.timeframes
    }


def dataset_of(strategy: Strategy, series: Series) -> Dataset:
    """Prepare series for a training."""
    return prepare(strategy, loaded(series), NoProgress())
