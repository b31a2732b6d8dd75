"""How the learning rate changes from epoch to epoch."""

from typing import Annotated, Literal

from pydantic import Field

from services.training_host.strategy.model import Fraction, StrategyModel


class PlateauSchedule(StrategyModel):
    """Lowers the learning rate when the validation loss stops improving.

    Attributes:
        type: `plateau`.
        factor: What the learning rate is multiplied by.
        patience: Epochs without improvement before that.
    """

    type: Literal["plateau"]
    factor: Fraction = 0.5
    patience: int = Field(default=5, ge=0, le=100_000)


class StepSchedule(StrategyModel):
    """Lowers the learning rate after every so many epochs.

    Attributes:
        type: `step`.
        step_epochs: Epochs between two steps.
        factor: What the learning rate is multiplied by.
    """

    type: Literal["step"]
    step_epochs: int = Field(ge=1, le=100_000)
    factor: Fraction = 0.1


class ExponentialSchedule(StrategyModel):
    """Lowers the learning rate after every epoch.

    Attributes:
        type: `exponential`.
        factor: What the learning rate is multiplied by.
    """

    type: Literal["exponential"]
    factor: Fraction


class CosineSchedule(StrategyModel):
    """Lowers the learning rate along half a cosine over all epochs (Loshchilov and Hutter 2017, without restarts).

    Attributes:
        type: `cosine`.
        min_learning_rate: Where it ends.
    """

    type: Literal["cosine"]
    min_learning_rate: float = Field(default=0.0, ge=0, le=10)


Schedule = Annotated[PlateauSchedule | StepSchedule | ExponentialSchedule | CosineSchedule, Field(discriminator="type")]
