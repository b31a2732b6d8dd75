"""Which strategies can go on from a checkpoint."""

import pytest

from services.training_host.checkpoints.fit import misfit
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.effective import effective_text
from tests.support.trainings import reference_text


def said(overrides: dict[str, str], *, fold: int = 1) -> str:
    return misfit(reference_text(), load_strategy(reference_text(), overrides), fold=fold)


def test_the_same_strategy_goes_on_however_it_is_written() -> None:
    assert said({}) == ""
    changes = {"training.epochs": "9", "training.seed": "3"}
    text = effective_text(reference_text(), changes)
    assert misfit(text, load_strategy(reference_text(), changes), fold=2) == ""
    assert said({"training.momentum": "0.0"}) == "", "a default that is written out changes nothing"


@pytest.mark.parametrize(
    "overrides",
    [
        {"training.epochs": "500"},
        {"training.early_stopping": "null"},
        {"training.early_stopping.patience": "90"},
        {"training.checkpoints": "{every_epochs: 1}"},
        {"training.device": "cpu"},
        {"description": "the same, longer"},
    ],
)
def test_what_may_change(overrides: dict[str, str]) -> None:
    assert said(overrides) == ""


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"training.learning_rate": "0.5"}, "training.learning_rate"),
        ({"training.seed": "8"}, "training.seed"),
        ({"training_data.end_date": '"2012-01-01"'}, "training_data.end_date"),
        ({"indicators.rsi_14.period": "15"}, "indicators.rsi_14.period"),
        ({"fuzzy_sets.momentum.neutral": "[36, 50, 65]"}, "fuzzy_sets.momentum.neutral.parameters"),
        ({"model.architecture.dropout": "0.3"}, "model.architecture.dropout"),
        ({"training.loss": "{type: focal}"}, "training.loss.type"),
        ({"training.labels.horizon": "6"}, "training.labels.horizon"),
    ],
)
def test_what_may_not_change_is_named(overrides: dict[str, str], key: str) -> None:
    assert key in said(overrides)
    assert "only training.epochs, training.early_stopping, description" in said(overrides)


def test_the_length_may_not_change_once_a_fold_has_been_finished() -> None:
    reason = said({"training.epochs": "500"}, fold=2)
    assert "differs in training.epochs" in reason
    assert reason.endswith("may change once a fold has been finished.")
    assert said({"training.checkpoints": "{every_epochs: 1}"}, fold=2) == ""


def test_many_differences_are_counted() -> None:
    changes = {
        f"training.{name}": value for name, value in {"seed": "8", "batch_size": "3", "learning_rate": "1"}.items()
    }
    changes |= {f"indicators.ppo.{name}": value for name, value in {"fast": "5", "slow": "8"}.items()}
    changes |= {"indicators.rsi_14.period": "15", "indicators.natr_14.period": "15"}
    assert "and 2 more; only" in said(changes)


def test_a_text_that_is_no_strategy_any_more_does_not_fit() -> None:
    assert (
        misfit("name: x", load_strategy(reference_text()), fold=1)
        == "Its strategy is of another version of the format."
    )
