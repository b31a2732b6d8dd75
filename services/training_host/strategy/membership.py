"""Fuzzy sets: an indicator, and labelled sets of its values."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from services.training_host.strategy.model import Name, StrategyModel


def _exactly(count: int) -> BeforeValidator:
    """Require a list of so many numbers."""

    def check(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != count:
            raise PydanticCustomError("count", "should be a list of {count} numbers", {"count": count})
        return value

    return BeforeValidator(check)


def _ascending(points: list[float]) -> list[float]:
    if any(left > right for left, right in pairwise(points)) or points[0] == points[-1]:
        raise PydanticCustomError("order", "the numbers should ascend, and the first should be below the last")
    return points


def _positive_spread(parameters: list[float]) -> list[float]:
    if parameters[1] <= 0:
        raise PydanticCustomError("spread", "the second number, the spread, should be greater than 0")
    return parameters


class Triangular(StrategyModel):
    """Rises from a to 1 at b, falls to 0 at c. `a = b` or `b = c` makes a steep side."""

    type: Literal["triangular"]
    parameters: Annotated[list[float], _exactly(3), AfterValidator(_ascending)]


class Trapezoidal(StrategyModel):
    """Rises from a to 1 at b, stays until c, falls to 0 at d. `a = b` or `c = d` makes a shoulder."""

    type: Literal["trapezoidal"]
    parameters: Annotated[list[float], _exactly(4), AfterValidator(_ascending)]


class Gaussian(StrategyModel):
    """exp(-(x - center)² / (2 · spread²)), with the parameters [center, spread]."""

    type: Literal["gaussian"]
    parameters: Annotated[list[float], _exactly(2), AfterValidator(_positive_spread)]


def _shorthand(value: Any) -> Any:
    """`[a, b, c]` is short for a triangle."""
    return {"type": "triangular", "parameters": value} if isinstance(value, list) else value


Membership = Annotated[
    Annotated[Triangular | Trapezoidal | Gaussian, Field(discriminator="type")], BeforeValidator(_shorthand)
]
"""How much a value belongs to a set, 0 to 1."""


class FuzzySet(StrategyModel):
    """Labelled sets of the values of one indicator. Every key but `indicator` is a label.

    Attributes:
        indicator: The indicator's id, or `id.output` where it has several outputs.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Name, Membership]

    indicator: str

    @property
    def labels(self) -> dict[str, Triangular | Trapezoidal | Gaussian]:
        """The memberships by label, in the order of the text."""
        return dict(self.__pydantic_extra__)
