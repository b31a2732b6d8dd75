"""Values of indicators over bars, by TA-Lib."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from services.training_host.bars.series import Bars
from services.training_host.indicators.averages.calculations import averages
from services.training_host.indicators.cycles.calculations import cycles
from services.training_host.indicators.definition import IndicatorDefinition, references
from services.training_host.indicators.dispatch import Calculations, Outputs, Values
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
        bars: Over which; all numbers finite, as `faulty_bar` makes sure.

    Returns:
        Its outputs in the order of `outputs`, float64 of the bars' length each; NaN during the warm-up, and finite from
        then on.

    Raises:
        VolumeMissing: It reads the volume, and not every bar has one.
        ValueError: A value of the bars is NaN or infinite.
    """
    _require_inputs({indicator.type: indicator}, bars)
    return _CALCULATIONS.compute(indicator, bars)


def calculate_all(indicators: Mapping[str, IndicatorDefinition], bars: Bars) -> dict[str, Values]:
    """Compute indicators by the names that strategies refer to their outputs by.

    Args:
        indicators: What to compute, by id.
        bars: As for `calculate`.

    Returns:
        float64 [bars] by reference, such as `rsi_14` or `bb_20.width`.

    Raises:
        VolumeMissing: An indicator reads the volume, and not every bar has one; told before anything is computed.
        ValueError: A value of the bars is NaN or infinite.
    """
    _require_inputs(indicators, bars)
    return {
        reference: values
        for identifier, indicator in indicators.items()
        for reference, values in zip(
            references(identifier, indicator.outputs), _CALCULATIONS.compute(indicator, bars), strict=True
        )
    }


def _require_inputs(indicators: Mapping[str, IndicatorDefinition], bars: Bars) -> None:
    """Refuse what TA-Lib would make nonsense of: it skips NaN in some windows, and takes -1 for a volume."""
    for column in sorted({column for indicator in indicators.values() for column in indicator.inputs}):
        if not np.isfinite(getattr(bars, column)).all():
            raise ValueError(f"{column} of {bars.symbol} {bars.timeframe} is not finite; ask faulty_bar where, first")
    for identifier, indicator in indicators.items():
        if "volume" in indicator.inputs and (missing := int(np.count_nonzero(bars.volume < 0))):
            raise VolumeMissing(
                identifier,
                f"{indicator.type} reads the volume, which {missing} of the {len(bars)} bars of {bars.symbol} "
                f"{bars.timeframe} do not have; load bars of trades, or take an indicator that reads prices only",
            )
