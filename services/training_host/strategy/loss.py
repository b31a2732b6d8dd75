"""What a training makes small."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from services.training_host.strategy.model import StrategyModel, refused


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
