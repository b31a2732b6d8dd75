"""The registry: every indicator of the strategy format, without its arithmetic. Validation needs no numeric library."""

from typing import Annotated, get_args

from pydantic import Field

from services.training_host.indicators.averages.definitions import Average
from services.training_host.indicators.cycles.definitions import Cycle
from services.training_host.indicators.model import IndicatorDefinition
from services.training_host.indicators.momentum.definitions import Momentum
from services.training_host.indicators.oscillators.definitions import Oscillator
from services.training_host.indicators.trend.definitions import Trend
from services.training_host.indicators.volatility.definitions import Volatility
from services.training_host.indicators.volume.definitions import Volume

__all__ = ["INDICATOR_TYPES", "Indicator", "IndicatorDefinition", "references"]

AnyIndicator = Average | Oscillator | Momentum | Trend | Volatility | Volume | Cycle

Indicator = Annotated[AnyIndicator, Field(discriminator="type")]
"""Any indicator, told apart by `type`."""


def _type(definition: type[IndicatorDefinition]) -> str:
    (name,) = get_args(definition.model_fields["type"].annotation)
    return str(name)


INDICATOR_TYPES: dict[str, type[IndicatorDefinition]] = {
    _type(definition): definition for definition in sorted(get_args(AnyIndicator), key=_type)
}
"""Every indicator by the `type` that strategies name, in the order of these names."""


def references(identifier: str, outputs: tuple[str, ...]) -> list[str]:
    """Return how a strategy refers to the outputs of an indicator: `rsi_14`, or `bb_20.width` where it has several."""
    return [identifier] if len(outputs) == 1 else [f"{identifier}.{output}" for output in outputs]
