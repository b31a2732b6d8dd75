"""Small strategies, bars and judged networks for tests of what comes after a training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import torch
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY
from torch import nn

from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.series import Bars
from services.training_host.dataset import Dataset, Fold, prepare
from services.training_host.evaluation.judgement import FoldOutcome, judge
from services.training_host.evaluation.predictions import predict_parts
from services.training_host.loop.history import TrainingHistory
from services.training_host.model.network import build_network
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.strategy import Strategy
from tests.support.datasets import with_longer_bars
from tests.support.no_progress import NoProgress
from tests.support.trainings import random_bars

SMALL_TEXT: Final = """
name: small
version: "3.0"
training_data:
  symbols: {mode: multi_symbol, list: [AAA, BBB]}
  timeframes: {mode: multi_timeframe, list: [1d, 1w], base_timeframe: 1d}
  start_date: "1970-01-01"
  end_date: "1980-01-01"
  history_required: 25
indicators:
  rsi_5: {type: rsi, period: 5}
  bands: {type: bbands, period: 8, deviations: 1.5}
  natr_5: {type: natr, period: 5}
fuzzy_sets:
  momentum:
    indicator: rsi_5
    weak: {type: trapezoidal, parameters: [0, 0, 30, 50]}
    middle: [30, 50, 70]
    strong: {type: gaussian, parameters: [80, 12]}
nn_inputs:
  - {fuzzy_set: momentum, timeframes: all}
  - {raw_indicator: bands.percent_b, timeframes: [1d], normalization: minmax}
  - {raw_indicator: natr_5, timeframes: all, normalization: zscore}
model: {type: mlp, architecture: {hidden_layers: [8, 4], dropout: 0.1, activation: silu}}
decisions: {output_format: classification, confidence_threshold: 0.34}
training:
  labels: {source: forward_return, horizon: 3, threshold: 0.01}
  data_split: {train: 0.6, validation: 0.2, test: 0.2}
  epochs: 3
  batch_size: 32
  learning_rate: 0.01
  seed: 2
  device: cpu
"""
GRU: Final = {
    "model": "{type: gru, architecture: {hidden_layers: [6, 5], sequence_length: 4, dropout: 0.1, activation: tanh}}"
}
LSTM: Final = {"model": "{type: lstm, architecture: {hidden_layers: [5], sequence_length: 3, activation: relu}}"}
REGRESSION: Final = {
    "decisions": "{output_format: regression, return_threshold: 0.0001}",
    "training.labels": "{source: forward_return, horizon: 3}",
    "training.loss": "huber",
}
WALK_FORWARD: Final = {
    "training.data_split": "{train: 0.8, validation: 0.2}",
    "evaluation": "{mode: walk_forward, folds: 3, embargo: 2}",
}


@dataclass(frozen=True, eq=False)
class Small:
    """A dataset, and a network for each fold that was never trained: what comes after does not ask."""

    strategy: Strategy
    loaded: LoadedBars
    dataset: Dataset

    def network(self) -> nn.Module:
        """Return a network with weights from the strategy's seed."""
        inputs = len(self.dataset.columns)
        seed = self.strategy.training.seed
        return build_network(self.strategy.model, inputs=inputs, outputs=self.strategy.outputs, seed=seed)

    def outcome(self, fold: Fold, *, epoch_seconds: float = 0.5) -> FoldOutcome:
        """Judge the network on a fold."""
        predictions = predict_parts(self.strategy, self.dataset, fold, self.network(), torch.device("cpu"))
        return judge(self.strategy, self.dataset, fold, history(epoch_seconds), predictions)

    def outcomes(self, *, epoch_seconds: float = 0.5) -> list[FoldOutcome]:
        """Judge the network on all folds."""
        return [self.outcome(fold, epoch_seconds=epoch_seconds) for fold in self.dataset.folds]


def small(overrides: Mapping[str, str] | None = None, *, bars: int = 320, seed: int = 1) -> Small:
    """Prepare the small strategy on random bars."""
    strategy = load_strategy(SMALL_TEXT, dict(overrides or {}))
    loaded = loaded_bars(strategy, bars=bars, seed=seed)
    return Small(strategy, loaded, prepare(strategy, loaded, NoProgress()))


def loaded_bars(strategy: Strategy, *, bars: int, seed: int = 1) -> LoadedBars:
    """Return random daily bars for each symbol of a strategy, and what they aggregate to."""
    daily = {
        symbol: replace(random_bars(bars, seed=seed + number), symbol=symbol)
        for number, symbol in enumerate(strategy.symbols)
    }
    return loaded_of_daily(strategy, daily)


def loaded_of_daily(strategy: Strategy, daily: Mapping[str, Bars]) -> LoadedBars:
    """Return daily bars by symbol, and what they aggregate to, as if they were loaded."""
    series = {key: bars for base in daily.values() for key, bars in with_longer_bars(strategy, base).items()}
    uses = [
        DatasetUse(name=f"{symbol} {timeframe}", fingerprint=bars.fingerprint(), bars=len(bars))
        for (symbol, timeframe), bars in series.items()
    ]
    return LoadedBars(series=series, origin="a test", source=SOURCE_REPLAY, datasets=uses)


def history(epoch_seconds: float) -> TrainingHistory:
    """Return the curve of three epochs."""
    epochs = [{"train_loss": loss, "val_loss": loss, "epoch_seconds": epoch_seconds} for loss in (1.5, 1.0, 1.25)]
    return TrainingHistory(epochs=epochs, best_epoch=2, best_validation_loss=1.0, stopped_early=False)
