"""What a network learns to answer."""

from typing import Annotated, Literal

from pydantic import Field

from services.training_host.strategy.model import Fraction, StrategyModel


class ForwardReturnLabels(StrategyModel):
    """How the close moves over the next bars: classes down, flat, up, or, for regression, the return itself.

    Attributes:
        source: `forward_return`.
        horizon: Bars to look ahead.
        threshold: Return (0.02 is 2 %) from which on a move counts as up, and below whose negative as down. With
            `output_format: classification` only, which needs it.
    """

    source: Literal["forward_return"]
    horizon: int = Field(ge=1, le=10_000)
    threshold: Fraction | None = None


class ZigzagLabels(StrategyModel):
    """Classes down, up: the way to the next swing of the close.

    Attributes:
        source: `zigzag`.
        threshold: Reversal (0.05 is 5 %) that confirms a swing.
    """

    source: Literal["zigzag"]
    threshold: Fraction


class TripleBarrierLabels(StrategyModel):
    """Classes down, flat, up: which barrier the price touches first (López de Prado 2018, chapter 3).

    The barriers lie at close + upper_atr · ATR and close - lower_atr · ATR of the bar; highs and lows of the bars after
    it touch them. A bar that touches both counts as down. Where neither is touched within `max_bars` the class is flat.

    Attributes:
        source: `triple_barrier`.
        upper_atr: Distance of the upper barrier in average true ranges.
        lower_atr: Distance of the lower barrier in average true ranges.
        max_bars: Bars after which it is flat.
        atr_period: Bars over which the average true range is taken.
    """

    source: Literal["triple_barrier"]
    upper_atr: float = Field(gt=0, le=100)
    lower_atr: float = Field(gt=0, le=100)
    max_bars: int = Field(ge=1, le=10_000)
    atr_period: int = Field(default=14, ge=2, le=1_000)


Labels = Annotated[ForwardReturnLabels | ZigzagLabels | TripleBarrierLabels, Field(discriminator="source")]
