"""Changing a strategy by dotted paths."""

import pytest

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.effective import effective_text
from services.training_host.strategy.fault import StrategyInvalid
from services.training_host.strategy.override import parse_assignments
from tests.support.trainings import faults_of, reference_text


def test_values_are_replaced_and_added() -> None:
    strategy = load_strategy(
        reference_text(),
        {
            "training.epochs": "3",
            "training.labels": "{source: zigzag, threshold: 0.05}",
            "indicators.extra": "{type: adx}",
            "indicators.natr_14": "",
            "nn_inputs[3].raw_indicator": "extra",
            "training.lr_scheduler": "null",
        },
    )
    assert strategy.training.epochs == 3
    assert strategy.classes == ("down", "up")
    assert strategy.training.lr_scheduler is None
    assert list(strategy.indicators) == ["rsi_14", "ppo", "bb_20", "extra"]


@pytest.mark.parametrize(
    ("path", "value", "description"),
    [
        ("training.epochs", "many", "integer"),
        ("training.epochs", "[1", "override: not valid YAML"),
        ("training.epoch", "1", "unknown key"),
        ("training..epochs", "1", "not a path"),
        ("", "1", "not a path"),
        ("nn_inputs[9].normalization", "none", "nn_inputs[9] is not there"),
        ("nn_inputs[9]", "{}", "has no [9]"),
        ("name.x", "1", "is not a mapping or list"),
        ("training.momentum", "", "is not there, and cannot be taken away"),
        ("nn_inputs[3]", "", "write the whole list"),
        ("training.epochs", "", "is missing (set by an override)"),
    ],
)
def test_a_bad_override_is_named(path: str, value: str, description: str) -> None:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(reference_text(), {path: value})
    assert description in faults_of(caught.value)[path].description
    assert faults_of(caught.value)[path].line is None


def test_assignments_are_taken_apart() -> None:
    assert parse_assignments(["training.epochs=3", "description=a=b"]) == {"training.epochs": "3", "description": "a=b"}
    for bad in (["epochs"], ["=3"], ["a=1", "a=2"]):
        with pytest.raises(StrategyInvalid, match="override"):
            parse_assignments(bad)


def test_the_effective_text_is_the_strategy_that_is_trained() -> None:
    overrides = {"training.epochs": "3", "training_data.start_date": "2005-01-01", "training.lr_scheduler": ""}
    assert effective_text(reference_text(), {}) == reference_text()
    text = effective_text(reference_text(), overrides)
    assert load_strategy(text) == load_strategy(reference_text(), overrides)
    assert text.startswith("# With overrides of training.epochs, training.lr_scheduler, training_data.start_date.\n")
