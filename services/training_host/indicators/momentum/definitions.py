"""Momentum."""

from typing import Literal, Self

from pydantic import Field, model_validator

from services.training_host.indicators.model import (
    IndicatorDefinition,
    WindowOfChanges,
    in_units,
    scale_free,
    window,
)
from services.training_host.strategy.model import refused


class _FastSlow(IndicatorDefinition):
    """Two moving averages of the close."""

    fast: int = window(12, "Bars of the fast average.")
    slow: int = window(26, "Bars of the slow average.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise refused("fast should be less than slow")
        return self

    @property
    def warm_up_bars(self) -> int:
        """The slow average has to be complete."""
        return self.slow - 1


class Macd(_FastSlow):
    """How far a fast average is from a slow one, with a signal line. `ppo` is the same in percent."""

    title = "Moving average convergence/divergence"
    inputs = ("close",)
    results = (
        in_units("macd", "Fast less slow exponential average, in price units"),
        in_units("signal", "Exponential average of macd, in price units"),
        in_units("histogram", "macd - signal, in price units"),
        scale_free("histogram_percent", "macd - signal in percent of the close"),
    )
    type: Literal["macd"]
    signal: int = window(9, "Values of macd that the signal line averages.")

    @property
    def warm_up_bars(self) -> int:
        """The signal line averages values of the slow average."""
        return self.slow - 1 + self.signal - 1


class Ppo(_FastSlow):
    """(fast - slow) / slow of two averages, exponential ones unless `average` says simple."""

    title = "Percentage price oscillator"
    inputs = ("close",)
    results = (scale_free("ppo", "Fast less slow average in percent of the slow one"),)
    type: Literal["ppo"]
    average: Literal["ema", "sma"] = Field(default="ema", description="Exponential or simple averages.")


class Apo(_FastSlow):
    """fast - slow of two averages, exponential ones unless `average` says simple. `ppo` is the same in percent."""

    title = "Absolute price oscillator"
    inputs = ("close",)
    results = (in_units("apo", "Fast less slow average, in price units"),)
    type: Literal["apo"]
    average: Literal["ema", "sma"] = Field(default="ema", description="Exponential or simple averages.")


class Roc(WindowOfChanges):
    """Return over the period."""

    title = "Rate of change"
    inputs = ("close",)
    results = (scale_free("roc", "Change of the close in percent of the close `period` bars ago"),)
    type: Literal["roc"]
    period: int = window(10, "Bars between the two closes.", least=1)


class Mom(WindowOfChanges):
    """Change over the period. `roc` is the same in percent."""

    title = "Momentum"
    inputs = ("close",)
    results = (in_units("mom", "Change of the close since `period` bars ago, in price units"),)
    type: Literal["mom"]
    period: int = window(10, "Bars between the two closes.", least=1)


class Trix(IndicatorDefinition):
    """Rate of change, from bar to bar, of the close smoothed three times."""

    title = "Triple exponential average rate of change"
    inputs = ("close",)
    results = (scale_free("trix", "Change of EMA(EMA(EMA)) since the bar before, in percent"),)
    type: Literal["trix"]
    period: int = window(15, "Bars of each EMA.")

    @property
    def warm_up_bars(self) -> int:
        """Three averages in a row, and one change."""
        return 3 * (self.period - 1) + 1


Momentum = Macd | Ppo | Apo | Roc | Mom | Trix
"""Any of these indicators."""
