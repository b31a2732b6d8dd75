"""Labels, split, and how the network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.training_host.strategy.model import StrategyModel

Fraction = Annotated[float, Field(gt=0, lt=1)]


class ForwardReturnLabels(StrategyModel):
    """Classes down, flat, up: how the close moves over the next bars.

    Attributes:
        source: `forward_return`.
        horizon: Bars to look ahead.
        threshold: Return (0.02 is 2 %) from which on a move counts as up, and below whose negative as down.
    """

    source: Literal["forward_return"]
    horizon: int = Field(ge=1, le=10_000)
    threshold: Fraction


class ZigzagLabels(StrategyModel):
    """Classes down, up: the way to the next swing of the close.

    Attributes:
        source: `zigzag`.
        threshold: Reversal (0.05 is 5 %) that confirms a swing.
    """

    source: Literal["zigzag"]
    threshold: Fraction


Labels = Annotated[ForwardReturnLabels | ZigzagLabels, Field(discriminator="source")]


class DataSplit(StrategyModel):
    """Shares of the samples, in the order of time: the oldest train, the newest test."""

    train: Fraction
    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            message = "train, validation and test add up to {total}, not to 1"
            raise PydanticCustomError("sum", message, {"total": f"{total:g}"})
        return self


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


class EarlyStopping(StrategyModel):
    """Ends the training when the validation loss no longer improves.

    Attributes:
        patience: Epochs without improvement before that.
        min_delta: How much less the loss has to be to count as an improvement.
    """

    patience: int = Field(ge=1, le=100_000)
    min_delta: float = Field(default=0.0, ge=0)


class Training(StrategyModel):
    """How the network is trained.

    Attributes:
        labels: What it learns to answer.
        data_split: Shares for training, validation and test.
        loss: Cross-entropy, with classes weighted by their rarity in the training part.
        optimizer: Adam or stochastic gradient descent.
        momentum: Of `sgd`.
        weight_decay: L2 penalty.
        epochs: Most passes over the training part.
        batch_size: Samples in one step.
        learning_rate: To start with.
        gradient_clip_norm: Longest gradient; longer ones are scaled down. Null leaves them alone.
        lr_scheduler: Null keeps the learning rate.
        early_stopping: Null runs all epochs.
        seed: Of all random numbers.
        device: `auto` takes the best there is.
    """

    labels: Labels
    data_split: DataSplit
    loss: Literal["cross_entropy"] = "cross_entropy"
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=1_000_000)
    learning_rate: float = Field(gt=0, le=10)
    gradient_clip_norm: float | None = Field(default=1.0, gt=0)
    lr_scheduler: PlateauSchedule | None = None
    early_stopping: EarlyStopping | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"

    @model_validator(mode="after")
    def _momentum_belongs_to_sgd(self) -> Self:
        if self.momentum and self.optimizer != "sgd":
            raise PydanticCustomError("momentum", "momentum is read with optimizer: sgd only")
        return self
