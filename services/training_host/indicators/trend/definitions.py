"""Trends."""

from typing import Literal, Self

from pydantic import Field, model_validator

from services.training_host.indicators.model import (
    FullWindow,
    IndicatorDefinition,
    WindowOfChanges,
    in_units,
    scale_free,
    window,
)
from services.training_host.strategy.model import refused


class Adx(IndicatorDefinition):
    """How strong a trend is, whichever way it goes."""

    title = "Average directional movement index"
    inputs = ("high", "low", "close")
    results = (scale_free("adx", "Strength of the trend, 0 to 100"),)
    type: Literal["adx"]
    period: int = window(14, "Bars of each smoothing (Wilder's).")

    @property
    def warm_up_bars(self) -> int:
        """Smoothed movement, smoothed again."""
        return 2 * self.period - 1


class Dx(WindowOfChanges):
    """How one-sided the movement is: what `adx` is the average of."""

    title = "Directional movement index"
    inputs = ("high", "low", "close")
    results = (scale_free("dx", "|plus - minus| as a share of their sum (see `di`), 0 to 100"),)
    type: Literal["dx"]
    period: int = window(14, "Bars of the smoothing (Wilder's).")


class Di(WindowOfChanges):
    """+DI and -DI: movement up and down as shares of the true range."""

    title = "Directional indicators"
    inputs = ("high", "low", "close")
    results = (
        scale_free("plus", "Movement up in percent of the true range, 0 to 100"),
        scale_free("minus", "Movement down in percent of the true range, 0 to 100"),
    )
    type: Literal["di"]
    period: int = window(14, "Bars of the smoothing (Wilder's).")


class Aroon(WindowOfChanges):
    """How long ago the highest high and the lowest low were."""

    title = "Aroon"
    inputs = ("high", "low")
    results = (
        scale_free("up", "0 (the highest high was `period` bars ago) to 100 (it is now)"),
        scale_free("down", "0 (the lowest low was `period` bars ago) to 100 (it is now)"),
    )
    type: Literal["aroon"]
    period: int = window(14, "Bars before the present one that are looked at.")


class Aroonosc(WindowOfChanges):
    """`aroon.up` - `aroon.down` as one number."""

    title = "Aroon oscillator"
    inputs = ("high", "low")
    results = (scale_free("aroonosc", "Aroon up - Aroon down, -100 to 100"),)
    type: Literal["aroonosc"]
    period: int = window(14, "Bars before the present one that are looked at.")


class Sar(IndicatorDefinition):
    """A stop that follows a trend ever faster, and changes sides when it is hit."""

    title = "Parabolic SAR"
    inputs = ("high", "low", "close")
    results = (
        in_units("sar", "The stop, in price units"),
        scale_free("distance", "close - stop in percent of the close; above 0 in a rising trend"),
    )
    type: Literal["sar"]
    acceleration: float = Field(default=0.02, gt=0, le=1, description="Step of the factor at each new extreme.")
    maximum: float = Field(default=0.2, gt=0, le=1, description="Largest factor.")

    @model_validator(mode="after")
    def _maximum_is_reached(self) -> Self:
        if self.acceleration > self.maximum:
            raise refused("acceleration should not exceed maximum")
        return self

    @property
    def warm_up_bars(self) -> int:
        """The first trend is read off the first two bars."""
        return 1


class LinearregSlope(FullWindow):
    """Slope of the line of least squares through the closes of the window."""

    title = "Slope of a linear regression"
    inputs = ("close",)
    results = (
        in_units("slope", "Rise of the line, in price units a bar"),
        scale_free("percent", "Rise of the line, in percent of the close a bar"),
    )
    type: Literal["linearreg_slope"]
    period: int = window(14, "Closes in the window.")


class LinearregAngle(FullWindow):
    """Angle of the line of least squares through the closes of the window. `linearreg_slope.percent` is scale-free."""

    title = "Angle of a linear regression"
    inputs = ("close",)
    results = (in_units("linearreg_angle", "Arctangent of the slope in price units a bar, -90 to 90 degrees"),)
    type: Literal["linearreg_angle"]
    period: int = window(14, "Closes in the window.")


Trend = Adx | Dx | Di | Aroon | Aroonosc | Sar | LinearregSlope | LinearregAngle
"""Any of these indicators."""
