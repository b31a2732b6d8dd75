"""Oscillators."""

from typing import Literal, Self

from pydantic import model_validator

from services.training_host.indicators.model import (
    FullWindow,
    IndicatorDefinition,
    WindowOfChanges,
    scale_free,
    window,
)
from services.training_host.strategy.model import refused


class Rsi(WindowOfChanges):
    """How much of the movement of the close is upward (Wilder's smoothing)."""

    title = "Relative strength index"
    inputs = ("close",)
    results = (scale_free("rsi", "Share of the gains in all changes, 0 to 100; 0 while there was no change at all"),)
    type: Literal["rsi"]
    period: int = window(14, "Changes that are averaged.")


class Cmo(WindowOfChanges):
    """Movement up less movement down, with Wilder's smoothing as TA-Lib has it."""

    title = "Chande momentum oscillator"
    inputs = ("close",)
    results = (scale_free("cmo", "Gains less losses as a share of both, -100 to 100; 0 while there was no change"),)
    type: Literal["cmo"]
    period: int = window(14, "Changes that are averaged.")


class Stoch(IndicatorDefinition):
    """Where the close stands in the range of the window, smoothed, and its signal line."""

    title = "Stochastic oscillator"
    inputs = ("high", "low", "close")
    results = (
        scale_free("k", "Place of the close between lowest low and highest high, smoothed, 0 to 100"),
        scale_free("d", "Simple average of k, 0 to 100"),
    )
    type: Literal["stoch"]
    period: int = window(14, "Bars whose highest high and lowest low are the range.")
    smoothing: int = window(3, "Values that k is the simple average of.", least=1)
    signal: int = window(3, "Values of k that d is the simple average of.", least=1)

    @property
    def warm_up_bars(self) -> int:
        """A full range, then two averages over it."""
        return self.period - 1 + self.smoothing - 1 + self.signal - 1


class Stochf(IndicatorDefinition):
    """Where the close stands in the range of the window, and its signal line."""

    title = "Fast stochastic oscillator"
    inputs = ("high", "low", "close")
    results = (
        scale_free("k", "Place of the close between lowest low and highest high, 0 to 100; 0 where both are equal"),
        scale_free("d", "Simple average of k, 0 to 100"),
    )
    type: Literal["stochf"]
    period: int = window(14, "Bars whose highest high and lowest low are the range.")
    signal: int = window(3, "Values of k that d is the simple average of.", least=1)

    @property
    def warm_up_bars(self) -> int:
        """A full range, then an average over it."""
        return self.period - 1 + self.signal - 1


class Stochrsi(IndicatorDefinition):
    """Where the RSI stands in its own range, and its signal line."""

    title = "Stochastic RSI"
    inputs = ("close",)
    results = (
        scale_free("k", "Place of the RSI between its lowest and highest value, 0 to 100; 0 where both are equal"),
        scale_free("d", "Simple average of k, 0 to 100"),
    )
    type: Literal["stochrsi"]
    period: int = window(14, "Changes that the RSI averages.")
    range_period: int = window(14, "Values of the RSI that its range is taken from.")
    signal: int = window(3, "Values of k that d is the simple average of.", least=1)

    @property
    def warm_up_bars(self) -> int:
        """An RSI, a full range of it, then an average."""
        return self.period + self.range_period - 1 + self.signal - 1


class Willr(FullWindow):
    """How far the close is below the highest high, in percent of the range of the window."""

    title = "Williams' %R"
    inputs = ("high", "low", "close")
    results = (scale_free("willr", "-100 (at the lowest low) to 0 (at the highest high); 0 where both are equal"),)
    type: Literal["willr"]
    period: int = window(14, "Bars whose highest high and lowest low are the range.")


class Ultosc(IndicatorDefinition):
    """Buying pressure over three windows, the shortest of which counts most."""

    title = "Ultimate oscillator"
    inputs = ("high", "low", "close")
    results = (scale_free("ultosc", "Buying pressure as a share of the true range, 0 to 100"),)
    type: Literal["ultosc"]
    fast: int = window(7, "Bars of the shortest window; its weight is 4.")
    medium: int = window(14, "Bars of the window between; its weight is 2.")
    slow: int = window(28, "Bars of the longest window; its weight is 1.")

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not self.fast < self.medium < self.slow:
            raise refused("fast should be less than medium, and medium less than slow")
        return self

    @property
    def warm_up_bars(self) -> int:
        """The longest window of true ranges, which need the close before."""
        return self.slow


class Cci(FullWindow):
    """Distance of the typical price from its average, in units of 0.015 mean absolute deviations."""

    title = "Commodity channel index"
    inputs = ("high", "low", "close")
    results = (scale_free("cci", "Mostly within -100 to 100, unbounded; 0 where there is no deviation"),)
    type: Literal["cci"]
    period: int = window(14, "Bars of the average and of the deviation.")


class Bop(IndicatorDefinition):
    """How much of its range a bar rose or fell: (close - open) / (high - low)."""

    title = "Balance of power"
    inputs = ("open", "high", "low", "close")
    results = (scale_free("bop", "-1 (fell from high to low) to 1 (rose from low to high); 0 for a bar of one price"),)
    type: Literal["bop"]

    @property
    def warm_up_bars(self) -> int:
        """Each bar stands for itself."""
        return 0


Oscillator = Rsi | Cmo | Stoch | Stochf | Stochrsi | Willr | Ultosc | Cci | Bop
"""Any oscillator."""
