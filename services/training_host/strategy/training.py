"""Labels, split, and how the network is trained."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from services.training_host.strategy.model import StrategyModel, refused

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A share between 0 and 1, both excluded."""


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


class CrossEntropy(StrategyModel):
    """The usual loss of a classification.

    Attributes:
        type: `cross_entropy`.
        class_weights: `balanced` weighs classes by their rarity in the training part, `none` weighs all the same.
    """

    type: Literal["cross_entropy"]
    class_weights: Literal["balanced", "none"] = "balanced"


class Focal(StrategyModel):
    """Cross-entropy times (1 - p)^gamma, so that what is known well counts less (Lin et al. 2017).

    Attributes:
        type: `focal`.
        gamma: How much less.
        class_weights: As of `cross_entropy`.
    """

    type: Literal["focal"]
    gamma: float = Field(default=2.0, ge=0, le=10)
    class_weights: Literal["balanced", "none"] = "balanced"


class Huber(StrategyModel):
    """The loss of a regression: squared for small errors, linear for large ones (Huber 1964).

    The network learns the return divided by its standard deviation in the training part.

    Attributes:
        type: `huber`.
        delta: Error, in these deviations, from which on it is linear.
    """

    type: Literal["huber"]
    delta: float = Field(default=1.0, gt=0, le=100)


def _named_loss(value: Any) -> Any:
    """A name alone means the loss with its defaults."""
    if value is None or isinstance(value, int | float | list):
        raise refused("should be the name of a loss, such as cross_entropy, or a mapping with type and its parameters")
    return {"type": value} if isinstance(value, str) else value


_LossByType = Annotated[CrossEntropy | Focal | Huber, Field(discriminator="type")]
_LossName = Annotated[
    Literal["cross_entropy", "focal", "huber"], Field(title="Name", description="The loss with its defaults.")
]
Loss = Annotated[_LossByType, BeforeValidator(_named_loss, json_schema_input_type=_LossByType | _LossName)]
"""A loss as it is written: a mapping with its parameters, or its name."""


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
