"""How the network is trained."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from services.training_host.strategy.labels import Labels
from services.training_host.strategy.loss import CrossEntropy, Loss
from services.training_host.strategy.model import Fraction, StrategyModel, refused
from services.training_host.strategy.schedule import Schedule


class DataSplit(StrategyModel):
    """Shares of the samples, in the order of time: the oldest train, the newest test. They add up to 1.

    Attributes:
        train: Share that trains.
        validation: Share that chooses the best epoch, and tells when to stop.
        test: Share that nothing but the final evaluation sees. With `evaluation.mode: walk_forward` there is none:
            each stretch is tested whole, and train and validation divide what is before it.
    """

    train: Fraction
    validation: Fraction
    test: float = Field(default=0.0, ge=0, lt=1)


class Checkpoints(StrategyModel):
    """When the state of a training is written down, beside each stop. Whichever time comes first counts.

    Attributes:
        every_epochs: Epochs between two checkpoints; null counts none.
        every_seconds: Seconds between two checkpoints, looked at after each epoch; null counts none.
        keep: How many of the newest are kept.
    """

    every_epochs: int | None = Field(default=None, ge=1, le=100_000)
    every_seconds: float | None = Field(default=30.0, gt=0, le=86_400)
    keep: int = Field(default=2, ge=1, le=100)


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
        loss: What it makes small: `cross_entropy` or `focal` for classification, `huber` for regression; a name, or a
            mapping with its parameters.
        optimizer: How it does so.
        momentum: Of `sgd` and `rmsprop`; other optimizers have none.
        weight_decay: L2 penalty; decoupled with `adamw`.
        epochs: Most passes over the training part.
        batch_size: Samples in one batch.
        gradient_accumulation: Batches whose gradients make one step.
        learning_rate: To start with.
        gradient_clip_norm: Longest gradient; longer ones are scaled down. Null leaves them alone.
        lr_scheduler: How the learning rate changes; null keeps it.
        early_stopping: When to stop before all epochs are done; null runs all of them.
        checkpoints: When the state is written down, so that a stopped training can go on.
        seed: Of all random numbers: the same seed, bars and machine give the same model.
        device: `auto` takes the best there is; `cpu`, `cuda`, `cuda:N` or `mps` take this one or refuse.
    """

    labels: Labels
    data_split: DataSplit
    loss: Loss = CrossEntropy(type="cross_entropy")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    epochs: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=1_000_000)
    gradient_accumulation: int = Field(default=1, ge=1, le=10_000)
    learning_rate: float = Field(gt=0, le=10)
    gradient_clip_norm: float | None = Field(default=1.0, gt=0)
    lr_scheduler: Schedule | None = None
    early_stopping: EarlyStopping | None = None
    checkpoints: Checkpoints = Checkpoints()
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"

    @field_validator("momentum")
    @classmethod
    def _momentum_is_read(cls, momentum: float, info: ValidationInfo) -> float:
        if momentum and info.data.get("optimizer") in ("adam", "adamw"):
            raise refused(f"is not read with optimizer: {info.data['optimizer']}; leave it out, or take sgd or rmsprop")
        return momentum
