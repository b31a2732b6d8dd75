"""Trainings that take a second, and what they come to."""

import json
from collections.abc import Mapping
from pathlib import Path

from ktrdr.training.v1.training_pb2 import LocalBars, TrainingSpec

from services.training_host.bars.local_file import load_local_file
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.progress import Progress
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.effective import effective_text
from services.training_host.trained_model import TrainedModel
from services.training_host.training_run import TrainingRun
from tests.support.no_progress import NoProgress
from tests.support.trainings import random_bars

STRATEGY = """\
name: tiny
version: "3.0"
training_data:
  symbols: {mode: single, symbol: TEST}
  timeframes: {mode: single, timeframe: 1d}
  start_date: "1970-01-01"
  end_date: "1972-12-31"
  history_required: 30
indicators:
  rsi_7: {type: rsi, period: 7}
  natr_7: {type: natr, period: 7}
fuzzy_sets:
  momentum:
    indicator: rsi_7
    low: [0, 25, 50]
    high: [50, 75, 100]
nn_inputs:
  - {fuzzy_set: momentum}
  - {raw_indicator: natr_7, normalization: zscore}
model: {type: mlp, architecture: {hidden_layers: [8], dropout: 0.2, activation: relu}}
decisions: {output_format: classification, confidence_threshold: 0.4}
training:
  labels: {source: forward_return, horizon: 3, threshold: 0.01}
  data_split: {train: 0.70, validation: 0.15, test: 0.15}
  optimizer: adamw
  epochs: 60
  batch_size: 16
  learning_rate: 0.01
  lr_scheduler: {type: plateau, factor: 0.7, patience: 2}
  checkpoints: {every_epochs: 1, every_seconds: null, keep: 2}
  seed: 5
  device: cpu
"""

WALKING = {
    "evaluation": "{mode: walk_forward, folds: 3}",
    "training.data_split": "{train: 0.8, validation: 0.2}",
    "model": "{type: gru, architecture: {hidden_layers: [4], sequence_length: 4, dropout: 0.1}}",
    "training.gradient_accumulation": "3",
    "training.epochs": "6",
    "training.early_stopping": "{patience: 4}",
}
"""Overrides for three folds of a recurrent network."""


def write_bars(path: Path, *, count: int = 700, seed: int = 0) -> Path:
    """Write daily bars of a random walk from 1970-01-01 on into a CSV file, and return its path."""
    bars = random_bars(count, seed=seed)
    lines = ["time,open,high,low,close,volume"]
    for index in range(count):
        values = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        lines.append(
            ",".join([bars.time(index).date().isoformat(), *(repr(float(column[index])) for column in values)])
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def tiny_spec(bars: Path, overrides: Mapping[str, str] | None = None) -> TrainingSpec:
    """Return the spec of a tiny training."""
    return TrainingSpec(strategy=STRATEGY, overrides=overrides or {}, local=LocalBars(path=str(bars)))


def run_tiny(
    folder: Path, bars: Path, overrides: Mapping[str, str] | None = None, progress: Progress | None = None
) -> TrainedModel:
    """Run a tiny training in this process.

    Args:
        folder: As of a session: its checkpoints are in `checkpoints`, its model goes to `artifacts/model`.
        bars: File with the bars.
        overrides: Changes to its strategy.
        progress: Told about everything; None tells nobody.
    """
    overrides = dict(overrides or {})
    strategy = load_strategy(STRATEGY, overrides)
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    return TrainingRun(
        strategy=strategy,
        strategy_text=effective_text(STRATEGY, overrides),
        overrides=overrides,
        load_bars=lambda strategy: load_local_file(bars, strategy),
        folder=folder / "artifacts" / "model",
        session_id=folder.name,
        progress=progress or NoProgress(),
        checkpoints=CheckpointStore(folder / "checkpoints", keep=strategy.training.checkpoints.keep),
    ).run()


def model_files(folder: Path) -> dict[str, bytes]:
    """Return the files of a session's model that do not differ between two equal trainings: all but training.json."""
    files = {path.name: path.read_bytes() for path in (folder / "artifacts" / "model").iterdir()}
    del files["training.json"]
    return files


def resumed_epochs(folder: Path) -> int:
    """Return how many epochs of a session's model were taken over."""
    facts: dict[str, int] = json.loads((folder / "artifacts" / "model" / "training.json").read_text())
    return facts["resumed_epochs"]
