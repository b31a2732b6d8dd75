"""Values of indicators over bars, by TA-Lib."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from services.training_host.bars.series import Bars
from services.training_host.indicators.averages.calculations import averages
from services.training_host.indicators.calculations import Calculations, Outputs, Values
from services.training_host.indicators.cycles.calculations import cycles
from services.training_host.indicators.definition import IndicatorDefinition, references
from services.training_host.indicators.momentum.calculations import momentum
from services.training_host.indicators.oscillators.calculations import oscillators
from services.training_host.indicators.trend.calculations import trend
from services.training_host.indicators.volatility.calculations import volatility
from services.training_host.indicators.volume.calculations import volume

_CALCULATIONS: Final = Calculations([averages, oscillators, momentum, trend, volatility, volume, cycles])


class VolumeMissing(ValueError):
    """An indicator reads the volume, and some bars have none.

    Args:
        identifier: Id of the indicator, or its type where it has no id.
        message: What is wrong, and what to do.

    Attributes:
        identifier: The same.
    """

    def __init__(self, identifier: str, message: str) -> None:
        super().__init__(message)
        self.identifier = identifier


def calculate(indicator: IndicatorDefinition, bars: Bars) -> Outputs:
    """Compute an indicator.

    The value at a bar depends on this bar and those before it only. Averages that never forget (Wilder's and
    exponential ones) depend a little on where the bars begin.

    Args:
        indicator: What to compute.
        bars: Over which.

    Returns:
        Its outputs in the order of `outputs`, float64 of the bars' length each; NaN during the warm-up.

    Raises:
        VolumeMissing: It reads the volume, and not every bar has one.
    """
    _require_volume(indicator.type, indicator, bars)
    return _CALCULATIONS.compute(indicator, bars)


def calculate_all(indicators: Mapping[str, IndicatorDefinition], bars: Bars) -> dict[str, Values]:
    """Compute indicators by the names that strategies refer to their outputs by.

    Raises:
        VolumeMissing: One reads the volume, and not every bar has one; told before anything is computed.
    """
    for identifier, indicator in indicators.items():
        _require_volume(identifier, indicator, bars)
    return {
        reference: values
        for identifier, indicator in indicators.items()
        for reference, values in zip(
            references(identifier, indicator.outputs), _CALCULATIONS.compute(indicator, bars), strict=True
        )
    }


def _require_volume(identifier: str, indicator: IndicatorDefinition, bars: Bars) -> None:
    """Refuse bars of kinds that know no volume: -1 would be taken for one."""
    if "volume" not in indicator.inputs or not (missing := int(np.count_nonzero(bars.volume < 0))):
        return
    raise VolumeMissing(
        identifier,
        f"{indicator.type} reads the volume, which {missing} of the {len(bars)} bars of {bars.symbol} {bars.timeframe} "
        "do not have; load bars of trades, or take an indicator that reads prices only",
    )
