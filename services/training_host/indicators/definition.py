"""The indicators of the strategy format, without their arithmetic: validation needs no numeric library."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.training_host.strategy.model import StrategyModel

Period = Annotated[int, Field(ge=2, le=1_000)]
"""Length of an indicator's window in bars."""


class IndicatorDefinition(StrategyModel):
    """Base of all indicators.

    Attributes:
        outputs: Names of what it computes. An indicator with one output is referred to by its id alone, one with
            several by `id.output`.
    """

    outputs: ClassVar[tuple[str, ...]]

    @property
    def warm_up_bars(self) -> int:
        """Bars at the beginning for which there is no value yet."""
        raise NotImplementedError


class Rsi(IndicatorDefinition):
    """Relative strength index of the close, 0 to 100 (Wilder's smoothing)."""

    outputs = ("rsi",)
    type: Literal["rsi"]
    period: Period = 14

    @property
    def warm_up_bars(self) -> int:
        """One change more than the period has bars."""
        return self.period


class Ema(IndicatorDefinition):
    """Exponential moving average of the close, in price units."""

    outputs = ("ema",)
    type: Literal["ema"]
    period: Period = 20

    @property
    def warm_up_bars(self) -> int:
        """It starts from the simple average of the first period."""
        return self.period - 1


class _FastSlow(IndicatorDefinition):
    """Two moving averages of the close."""

    fast: Period = 12
    slow: Period = 26

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise PydanticCustomError("order", "fast should be less than slow")
        return self


class Macd(_FastSlow):
    """Moving average convergence/divergence in price units: the line, its signal line, and their difference."""

    outputs = ("macd", "signal", "histogram")
    type: Literal["macd"]
    signal: Period = 9

    @property
    def warm_up_bars(self) -> int:
        """The signal line averages values of the slow average."""
        return self.slow - 1 + self.signal - 1


class Ppo(_FastSlow):
    """Percentage price oscillator: (fast - slow) / slow * 100, of exponential averages unless `average` says simple."""

    outputs = ("ppo",)
    type: Literal["ppo"]
    average: Literal["ema", "sma"] = "ema"

    @property
    def warm_up_bars(self) -> int:
        """The slow average has to be complete."""
        return self.slow - 1


class BollingerBands(IndicatorDefinition):
    """Simple average of the close ± deviations.

    `percent_b` is (close - lower) / (upper - lower), and 0.5 where the bands touch; `width` is (upper - lower)
    divided by the middle.
    """

    outputs = ("upper", "middle", "lower", "percent_b", "width")
    type: Literal["bbands"]
    period: Period = 20
    deviations: float = Field(default=2.0, gt=0, le=20)

    @property
    def warm_up_bars(self) -> int:
        """The window has to be full."""
        return self.period - 1


class _TrueRange(IndicatorDefinition):
    period: Period = 14

    @property
    def warm_up_bars(self) -> int:
        """A true range needs the close before."""
        return self.period


class Atr(_TrueRange):
    """Average true range in price units (Wilder's smoothing)."""

    outputs = ("atr",)
    type: Literal["atr"]


class Natr(_TrueRange):
    """Average true range in percent of the close."""

    outputs = ("natr",)
    type: Literal["natr"]


class Adx(IndicatorDefinition):
    """Average directional movement index, 0 to 100."""

    outputs = ("adx",)
    type: Literal["adx"]
    period: Period = 14

    @property
    def warm_up_bars(self) -> int:
        """Smoothed movement, smoothed again."""
        return 2 * self.period - 1


Indicator = Annotated[Rsi | Macd | Ppo | BollingerBands | Ema | Atr | Natr | Adx, Field(discriminator="type")]
"""Any indicator, told apart by `type`."""

INDICATOR_TYPES: dict[str, type[IndicatorDefinition]] = {
    "adx": Adx,
    "atr": Atr,
    "bbands": BollingerBands,
    "ema": Ema,
    "macd": Macd,
    "natr": Natr,
    "ppo": Ppo,
    "rsi": Rsi,
}
"""Every indicator by the `type` that strategies name."""


def references(identifier: str, outputs: tuple[str, ...]) -> list[str]:
    """Return how a strategy refers to the outputs of an indicator: `rsi_14`, or `bb_20.width` where it has several."""
    return [identifier] if len(outputs) == 1 else [f"{identifier}.{output}" for output in outputs]
