"""Indicators in the words of TA-Lib, so that they can be computed without this program."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.training_host.indicators.definition import IndicatorDefinition

AVERAGE_TYPES: Final[dict[Any, int]] = {"sma": 0, "ema": 1}
"""TA-Lib's numbers of the averages that strategies name."""

RULES: Final = {
    "distance": "(x0 - x1) / x0 * 100",
    "percent": "x0 / x1 * 100",
    "place": "(x0 - x1) / (x2 - x1); 0.5 where x2 = x1, NaN where x1 or x2 is NaN",
    "width": "(x0 - x1) / x2",
    "middle": "(x0 + x1) * 0.5",
    "sum": "x0 + x1 * factor",
    "difference": "x0 - x1 * factor",
    "without_first": "x0, with NaN instead of its first `count` values",
    "ratio": "x0 / x1; 1 where x1 is 0 or less, NaN where x1 is NaN",
}
"""What is computed beside TA-Lib's functions; x0, x1 and x2 are the inputs in their order."""


@dataclass(frozen=True)
class Step:
    """One calculation.

    Attributes:
        function: `talib.` and the name of a function, or the name of a rule.
        inputs: Columns of the bars, or outputs of earlier steps.
        outputs: Names of what it gives, in order.
        parameters: The function's parameters by name; a text names the indicator's own parameter, a number is itself.
    """

    function: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Mapping[str, str | int]


def talib(function: str, inputs: str, outputs: str, **parameters: str | int) -> Step:
    """Return a call of TA-Lib; inputs and outputs are separated by spaces."""
    return Step(f"talib.{function}", tuple(inputs.split()), tuple(outputs.split()), parameters)


def rule(name: str, inputs: str, output: str, **parameters: str | int) -> Step:
    """Return an application of a rule in RULES; inputs are separated by spaces."""
    if name not in RULES:
        raise ValueError(f"there is no rule {name}")
    return Step(name, tuple(inputs.split()), (output,), parameters)


def spelled_out(step: Step, indicator: IndicatorDefinition) -> dict[str, Any]:
    """Return a step with the numbers of an indicator, as JSON values."""
    values = {
        name: getattr(indicator, value) if isinstance(value, str) else value for name, value in step.parameters.items()
    }
    return {
        "function": step.function,
        "inputs": list(step.inputs),
        "parameters": {name: AVERAGE_TYPES.get(value, value) for name, value in values.items()},
        "outputs": list(step.outputs),
    }
