"""Specs as keys and values that can be compared."""

from ktrdr.host.v1.session_pb2 import SessionOptions
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli.ops_compare import spec_differences
from ktrdr_client.cli.strategy_keys import spec_keys, strategy_keys
from ktrdr_client.specs import data_load_spec, training_spec

STRATEGY = """
name: swing   # a comment
training:
  epochs: 60
  early_stopping: {patience: 12, min_delta: 0.0005}
nn_inputs:
  - {fuzzy_set: momentum, timeframes: all}
  - fuzzy_set: trend
model: {architecture: {hidden_layers: [32, 16]}}
"""


def test_each_leaf_has_its_path() -> None:
    assert strategy_keys(STRATEGY, {}) == {
        "name": "swing",
        "training.epochs": "60",
        "training.early_stopping.patience": "12",
        "training.early_stopping.min_delta": "0.0005",
        "nn_inputs[0].fuzzy_set": "momentum",
        "nn_inputs[0].timeframes": "all",
        "nn_inputs[1].fuzzy_set": "trend",
        "model.architecture.hidden_layers": "[32, 16]",
    }


def test_changes_replace_what_is_below_them() -> None:
    keys = strategy_keys(STRATEGY, {"training.early_stopping": "{patience: 3}", "training.epochs": "9", "new": "yes"})
    assert keys["training.early_stopping.patience"] == "3"
    assert "training.early_stopping.min_delta" not in keys
    assert (keys["training.epochs"], keys["new"]) == ("9", "yes")
    assert not [key for key in strategy_keys(STRATEGY, {"training": ""}) if key.startswith("training")]


def test_what_cannot_be_read_is_one_value() -> None:
    assert strategy_keys("a: [", {"b": "1"}) == {"strategy": "a: [", "b": "1"}


def test_a_spec_is_more_than_its_strategy() -> None:
    operation = Operation(training=training_spec("name: x", source="replay"), options=SessionOptions(gpus=2))
    assert spec_keys(operation) == {"name": "x", "training.stored.source": "SOURCE_REPLAY", "options.gpus": "2"}
    load = Operation(data_load=data_load_spec("AAPL", "1d", start="2000-03-01", end="2000-04-01"))
    keys = spec_keys(load)
    assert keys["data_load.instruments[0].symbol"] == "AAPL"
    assert keys["data_load.end_time"] == "2000-04-02T00:00:00Z"


def test_only_what_differs_is_told_and_what_is_missing_is_empty() -> None:
    first = Operation(id="a", training=training_spec("name: x\nseed: 1"))
    second = Operation(id="b", training=training_spec("name: x", overrides={"device": "cpu"}))
    assert spec_differences([first, second]) == {"seed": {"a": "1", "b": ""}, "device": {"a": "", "b": "cpu"}}
    assert spec_differences([first, first]) == {}
