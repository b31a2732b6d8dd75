"""What one key of a strategy demands of another."""

import pytest

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from tests.support.trainings import reference_text

REGRESSION = {
    "decisions": "{output_format: regression}",
    "training.labels": "{source: forward_return, horizon: 5}",
    "training.loss": "huber",
}
WALK = {
    "evaluation": "{mode: walk_forward, folds: 3}",
    "training.data_split": "{train: 0.8, validation: 0.2}",
}


def found(overrides: dict[str, str]) -> dict[str, str]:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(reference_text(), overrides)
    return {fault.field: fault.description.removesuffix(" (set by an override)") for fault in caught.value.faults}


def test_regression_and_walk_forward_are_valid() -> None:
    strategy = load_strategy(reference_text(), {**REGRESSION, **WALK})
    assert (strategy.is_regression, strategy.classes, strategy.outputs) == (True, (), 1)
    assert strategy.training.data_split.test == 0


CASES = [
    (
        {**REGRESSION, "training.labels": "{source: zigzag, threshold: 0.05}"},
        {"training.labels.source": "should be forward_return with output_format: regression"},
    ),
    (
        {**REGRESSION, "training.labels": "{source: forward_return, horizon: 5, threshold: 0.02}"},
        {"training.labels.threshold": "is not read with output_format: regression; leave it out"},
    ),
    (
        {**REGRESSION, "training.loss": "{type: focal, gamma: 1}"},
        {"training.loss.type": "should be huber with output_format: regression"},
    ),
    (
        {**REGRESSION, "training.loss": ""},
        {"training.loss": "is missing and should be huber with output_format: regression"},
    ),
    (
        {"training.loss": "huber"},
        {"training.loss": "should be cross_entropy or focal with output_format: classification"},
    ),
    (
        {"training.labels": "{source: forward_return, horizon: 5}"},
        {"training.labels.threshold": "is missing: the return from which on a move is up or down, such as 0.02"},
    ),
    (
        {**WALK, "training.data_split": "{train: 0.7, validation: 0.15, test: 0.15}"},
        {
            "training.data_split.test": "is not read with mode: walk_forward, which tests each stretch; leave it out, "
            "so that train and validation add up to 1"
        },
    ),
    (
        {**WALK, "training.data_split": "{train: 0.7, validation: 0.2}"},
        {"training.data_split": "train and validation add up to 0.9, not to 1"},
    ),
    ({"training.data_split": "{train: 0.8, validation: 0.2}"}, {"training.data_split.test": "is missing"}),
    (
        {"training.data_split": "{train: 0.8, validation: 0.2, test: 0}"},
        {"training.data_split.test": "should be greater than 0, not 0"},
    ),
    (
        {"training.lr_scheduler": "{type: cosine, min_learning_rate: 0.01}"},
        {"training.lr_scheduler.min_learning_rate": "should be less than the learning_rate it starts from, 0.001"},
    ),
    (
        {"training.momentum": "0.9", "training.optimizer": "adamw"},
        {"training.momentum": "is not read with optimizer: adamw; leave it out, or take sgd or rmsprop"},
    ),
    (
        {"fuzzy_sets.band": "{indicator: bb_20.percent_b, preset: {terms: 2, range: [0, 1], shape: gaussian}}"},
        {"fuzzy_sets.band.preset.shape": "is not read with terms: 2, which has outer labels only; leave it out"},
    ),
    (
        {"fuzzy_sets.band": "{indicator: bb_20.percent_b, preset: {terms: 3, range: [0, 1]}, top: [0, 1, 2]}"},
        {"fuzzy_sets.band": "has labels and a preset; leave one of them out"},
    ),
    (
        {"fuzzy_sets.band": "{indicator: bb_20.percent_b, preset: null}"},
        {"fuzzy_sets.band": "has no labels; add one"},
    ),
    (
        {"decisions": "{output_format: classification, return_threshold: 0.1}"},
        {"decisions.return_threshold": "unknown key"},
    ),
    ({"evaluation": "{mode: holdout, folds: 3}"}, {"evaluation.folds": "unknown key"}),
    ({"evaluation": "{folds: 3}"}, {"evaluation.mode": "is missing"}),
    ({"model.architecture.sequence_length": "20"}, {"model.architecture.sequence_length": "unknown key"}),
    (
        {**REGRESSION, "training.loss": "{type: huber, class_weights: none}"},
        {"training.loss.class_weights": "unknown key"},
    ),
    (
        {"training.loss": "{type: mse}"},
        {"training.loss.type": '"mse" is unknown; allowed: cross_entropy, focal, huber'},
    ),
    ({"training.loss": "5"}, {"training.loss": "should be the name of a loss"}),
]


@pytest.mark.parametrize(("overrides", "expected"), CASES, ids=[next(iter(case[1])) for case in CASES])
def test_what_does_not_fit_is_named_at_its_key(overrides: dict[str, str], expected: dict[str, str]) -> None:
    faults = found(overrides)
    assert set(faults) == set(expected), faults
    for field, description in expected.items():
        assert faults[field].startswith(description)


def test_these_faults_are_found_beside_others() -> None:
    faults = found(
        {**REGRESSION, "training.loss": "focal", "training.epochs": "many", "training_data.history_required": "5"}
    )
    assert {"training.loss", "training.epochs", "training_data.history_required"} <= set(faults)


def test_momentum_of_zero_and_null_say_nothing_and_are_allowed() -> None:
    strategy = load_strategy(reference_text(), {"training.momentum": "0", "training.lr_scheduler": "null"})
    assert (strategy.training.momentum, strategy.training.lr_scheduler) == (0, None)
