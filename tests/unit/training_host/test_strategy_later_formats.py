"""What the format has and this build cannot train is refused by name."""

import pytest

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from tests.support.trainings import faults_of, reference_text

LATER = """
name: several
version: "3.0"
training_data:
  symbols: {mode: multi_symbol, list: [AAPL, MSFT]}
  timeframes: {mode: multi_timeframe, list: [1d, 1w], base_timeframe: 1d}
  start_date: "2000-03-01"
  end_date: "2013-03-01"
indicators:
  rsi_14: {type: rsi, period: 14}
nn_inputs:
  - {raw_indicator: rsi_14, timeframes: [1w], normalization: zscore}
model: {type: gru, architecture: {hidden_layers: [48], sequence_length: 20}}
decisions: {output_format: classification}
training:
  labels: {source: triple_barrier, upper_atr: 2.0, lower_atr: 2.0, max_bars: 10}
  data_split: {train: 0.70, validation: 0.15, test: 0.15}
  loss: focal
  optimizer: adamw
  epochs: 80
  batch_size: 128
  learning_rate: 0.0005
  lr_scheduler: {type: cosine}
"""


def test_each_later_value_is_named_once_and_nothing_else_is_blamed() -> None:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(LATER)
    found = faults_of(caught.value)
    assert list(found) == [
        "training_data.symbols.mode",
        "training_data.timeframes.mode",
        "model.type",
        "training.labels.source",
        "training.loss",
        "training.optimizer",
        "training.lr_scheduler.type",
    ]
    assert found["model.type"].description == '"gru" is not supported yet by this host; supported: mlp'
    assert all("not supported yet by this host; supported: " in fault.description for fault in found.values())


def test_other_faults_are_still_found_beside_a_later_value() -> None:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(reference_text(), {"model.type": "lstm", "training.epochs": "0"})
    assert set(faults_of(caught.value)) == {"model.type", "training.epochs"}
