"""How a strategy is judged."""

from typing import Annotated, Literal

from pydantic import Field

from services.training_host.strategy.model import StrategyModel

Embargo = Annotated[int, Field(ge=0, le=10_000)]
"""Bars of the base timeframe that are left out after each border, beyond what the labels themselves demand."""


class Holdout(StrategyModel):
    """One split: the newest samples test.

    Attributes:
        mode: `holdout`.
        embargo: Bars that are left out after each border.
    """

    mode: Literal["holdout"] = "holdout"
    embargo: Embargo = 0


class WalkForward(StrategyModel):
    """Several trainings, each tested on the time after it.

    The time of the samples is cut into folds + 1 stretches with as many samples each. Fold k trains on everything
    before stretch k + 1 and is tested on that; its newest samples before that validate, as many as `data_split` says of
    training and validation together. The model that is kept is that of the last fold.

    Attributes:
        mode: `walk_forward`.
        folds: Trainings.
        embargo: Bars that are left out after each border.
    """

    mode: Literal["walk_forward"]
    folds: int = Field(ge=2, le=50)
    embargo: Embargo = 0


Evaluation = Annotated[Holdout | WalkForward, Field(discriminator="mode")]


class Backtest(StrategyModel):
    """How decisions on the test part are turned into a return.

    Attributes:
        cost: Share of the traded value that each change of the position costs (0.0005 is 5 basis points).
        short: Decisions to be short are followed; otherwise they mean no position.
    """

    cost: float = Field(default=0.0005, ge=0, lt=0.1)
    short: bool = True
