"""Indicators as they are described beside a model are those that the model was trained on."""

from typing import Any

import numpy as np
import pytest

from examples.reload_model import follow_steps
from services.training_host.artifacts.recipe import RULES, rule
from services.training_host.artifacts.recipes import STEPS, recipe
from services.training_host.bars.series import COLUMNS
from services.training_host.indicators.calculation import calculate
from services.training_host.indicators.definition import INDICATOR_TYPES, IndicatorDefinition
from tests.support.trainings import random_bars

BARS = random_bars(220, seed=5)
OTHER_NUMBERS: dict[str, dict[str, Any]] = {
    "ppo": {"average": "sma"},
    "apo": {"average": "sma"},
    "bbands": {"period": 9, "deviations": 1.5},
    "keltner": {"period": 7, "ranges": 1.25},
    "stochrsi": {"period": 5, "range_period": 8, "signal": 2},
    "t3": {"period": 4, "factor": 0.5},
}
CASES = [*((kind, {}) for kind in INDICATOR_TYPES), *OTHER_NUMBERS.items()]


def build(kind: str, numbers: dict[str, Any]) -> IndicatorDefinition:
    return INDICATOR_TYPES[kind].model_validate({"type": kind, **numbers})


@pytest.mark.parametrize(("kind", "numbers"), CASES)
def test_following_the_steps_gives_the_same_numbers(kind: str, numbers: dict[str, Any]) -> None:
    indicator = build(kind, numbers)
    computed = calculate(indicator, BARS)
    found = follow_steps(recipe(indicator), {name: getattr(BARS, name) for name in COLUMNS})
    for name, values in zip(indicator.outputs, computed, strict=True):
        np.testing.assert_array_equal(found[name], values)
        assert np.isfinite(values).any()


def test_bars_of_one_price_give_the_same_numbers() -> None:
    one_price = {name: np.full(60, 10.0) for name in COLUMNS} | {"volume": np.zeros(60)}
    bars = type(BARS)("TEST", "1d", np.arange(60), **one_price)
    for kind in ("bbands", "donchian", "keltner", "volume_ratio"):
        indicator = build(kind, {})
        found = follow_steps(recipe(indicator), one_price)
        for name, values in zip(indicator.outputs, calculate(indicator, bars), strict=True):
            np.testing.assert_array_equal(found[name], values)


def test_every_indicator_and_nothing_else_is_described() -> None:
    assert set(STEPS) == set(INDICATOR_TYPES)


def test_every_rule_is_used_and_others_are_refused() -> None:
    used = {step.function for steps in STEPS.values() for step in steps}
    assert {name for name in used if not name.startswith("talib.")} == set(RULES)
    with pytest.raises(ValueError, match="no rule"):
        rule("magic", "close", "spell")
