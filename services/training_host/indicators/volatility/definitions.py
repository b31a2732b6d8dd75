"""Volatility and channels."""

from typing import Literal

from pydantic import Field

from services.training_host.indicators.model import (
    FullWindow,
    IndicatorDefinition,
    Output,
    WindowOfChanges,
    in_units,
    scale_free,
    window,
)


def _channel(middle: str, place: str) -> tuple[Output, ...]:
    return (
        in_units("upper", "Upper band, in price units"),
        in_units("middle", f"{middle}, in price units"),
        in_units("lower", "Lower band, in price units"),
        scale_free(
            place, "(close - lower) / (upper - lower): 0 at the lower band, 1 at the upper, 0.5 where they touch"
        ),
        scale_free("width", "(upper - lower) / middle, from 0"),
    )


class BollingerBands(FullWindow):
    """Simple average of the close ± standard deviations."""

    title = "Bollinger bands"
    inputs = ("close",)
    results = _channel("Simple average of the close", "percent_b")
    type: Literal["bbands"]
    period: int = window(20, "Closes in the window.")
    deviations: float = Field(
        default=2.0, gt=0, le=20, description="Standard deviations between the middle and each band."
    )


class Donchian(FullWindow):
    """Highest high and lowest low, with the middle between them."""

    title = "Donchian channel"
    inputs = ("high", "low", "close")
    results = _channel("Middle of the bands", "position")
    type: Literal["donchian"]
    period: int = window(20, "Bars in the window.")


class Keltner(WindowOfChanges):
    """Exponential average of the close ± average true ranges."""

    title = "Keltner channel"
    inputs = ("high", "low", "close")
    results = _channel("Exponential average of the close", "position")
    type: Literal["keltner"]
    period: int = window(20, "Bars of both averages.")
    ranges: float = Field(default=2.0, gt=0, le=20, description="Average true ranges between the middle and each band.")


class Trange(IndicatorDefinition):
    """From the lowest to the highest price since the close before."""

    title = "True range"
    inputs = ("high", "low", "close")
    results = (
        in_units("trange", "In price units, from 0"),
        scale_free("percent", "In percent of the close, from 0"),
    )
    type: Literal["trange"]

    @property
    def warm_up_bars(self) -> int:
        """It needs the close before."""
        return 1


class Atr(WindowOfChanges):
    """How far a bar moves on average (Wilder's smoothing). `natr` is the same in percent."""

    title = "Average true range"
    inputs = ("high", "low", "close")
    results = (in_units("atr", "In price units, from 0"),)
    type: Literal["atr"]
    period: int = window(14, "True ranges that are averaged.")


class Natr(WindowOfChanges):
    """How far a bar moves on average, in percent: `atr` over the close."""

    title = "Normalized average true range"
    inputs = ("high", "low", "close")
    results = (scale_free("natr", "In percent of the close, from 0"),)
    type: Literal["natr"]
    period: int = window(14, "True ranges that are averaged.")


class Stddev(FullWindow):
    """How far the closes of the window are from their mean (divided by the number of closes, not by one less)."""

    title = "Standard deviation"
    inputs = ("close",)
    results = (
        in_units("stddev", "In price units, from 0"),
        scale_free("percent", "In percent of the close, from 0"),
    )
    type: Literal["stddev"]
    period: int = window(20, "Closes in the window.")


Volatility = BollingerBands | Donchian | Keltner | Trange | Atr | Natr | Stddev
"""Any of these indicators."""
