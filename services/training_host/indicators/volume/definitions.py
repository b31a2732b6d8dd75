"""Volume."""

from typing import Literal, Self

from pydantic import model_validator

from services.training_host.indicators.model import (
    FullWindow,
    IndicatorDefinition,
    WindowOfChanges,
    in_units,
    scale_free,
    window,
)
from services.training_host.strategy.model import refused


class _Running(IndicatorDefinition):
    """A sum from the first bar on: its level depends on where the bars begin."""

    @property
    def warm_up_bars(self) -> int:
        """The first bar begins the sum."""
        return 0


class Obv(_Running):
    """The volume of rising bars is added, that of falling bars taken away."""

    title = "On-balance volume"
    inputs = ("close", "volume")
    results = (in_units("obv", "In units of volume; the level depends on where the bars begin"),)
    type: Literal["obv"]


class Ad(_Running):
    """Volume, weighted by where the close is between low and high."""

    title = "Accumulation/distribution line"
    inputs = ("high", "low", "close", "volume")
    results = (in_units("ad", "In units of volume; the level depends on where the bars begin"),)
    type: Literal["ad"]


class Adosc(IndicatorDefinition):
    """Fast less slow exponential average of the accumulation/distribution line (`ad`)."""

    title = "Chaikin oscillator"
    inputs = ("high", "low", "close", "volume")
    results = (in_units("adosc", "In units of volume, around 0"),)
    type: Literal["adosc"]
    fast: int = window(3, "Bars of the fast average.")
    slow: int = window(10, "Bars of the slow average.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise refused("fast should be less than slow")
        return self

    @property
    def warm_up_bars(self) -> int:
        """The slow average has to be complete."""
        return self.slow - 1


class Mfi(WindowOfChanges):
    """As the RSI, but of the typical price times the volume."""

    title = "Money flow index"
    inputs = ("high", "low", "close", "volume")
    results = (scale_free("mfi", "Share of the money that flowed in, 0 to 100; 0 where none flowed"),)
    type: Literal["mfi"]
    period: int = window(14, "Changes of the typical price that are summed up.")


class VolumeRatio(FullWindow):
    """Volume of a bar over the simple average of the window that ends with it."""

    title = "Volume ratio"
    inputs = ("volume",)
    results = (scale_free("volume_ratio", "1 for an average bar, from 0 to `period`; 1 where nothing was traded"),)
    type: Literal["volume_ratio"]
    period: int = window(20, "Bars in the window.")


Volume = Obv | Ad | Adosc | Mfi | VolumeRatio
"""Any of these indicators."""
