"""Membership functions: how much a value belongs to a fuzzy set, 0 to 1."""

from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from services.training_host.strategy.model import StrategyModel, refused


def exactly(count: int) -> BeforeValidator:
    """Require a list of so many values."""

    def check(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != count:
            raise refused(f"should be a list of {count} numbers")
        return value

    return BeforeValidator(
        check, json_schema_input_type=Annotated[list[float], Field(min_length=count, max_length=count)]
    )


def ascending(numbers: list[float]) -> list[float]:
    """Require numbers that never fall, and rise in all."""
    if any(left > right for left, right in pairwise(numbers)) or numbers[0] == numbers[-1]:
        raise refused("the numbers should ascend, and the first should be below the last")
    return numbers


def _positive_spread(parameters: list[float]) -> list[float]:
    if parameters[1] <= 0:
        raise refused("the second number, the spread, should be greater than 0")
    return parameters


class Triangular(StrategyModel):
    """Rises from 0 at a to 1 at b, falls to 0 at c. `a = b` or `b = c` makes a steep side.

    Attributes:
        type: `triangular`.
        parameters: [a, b, c], ascending.
    """

    type: Literal["triangular"]
    parameters: Annotated[list[float], exactly(3), AfterValidator(ascending)]


class Trapezoidal(StrategyModel):
    """Rises from 0 at a to 1 at b, stays until c, falls to 0 at d. `a = b` or `c = d` makes a shoulder.

    Attributes:
        type: `trapezoidal`.
        parameters: [a, b, c, d], ascending.
    """

    type: Literal["trapezoidal"]
    parameters: Annotated[list[float], exactly(4), AfterValidator(ascending)]


class Gaussian(StrategyModel):
    """exp(-(x - center)² / (2 · spread²)).

    Attributes:
        type: `gaussian`.
        parameters: [center, spread].
    """

    type: Literal["gaussian"]
    parameters: Annotated[list[float], exactly(2), AfterValidator(_positive_spread)]


Shape: TypeAlias = Triangular | Trapezoidal | Gaussian
"""A membership function of any kind."""
_ByType = Annotated[Shape, Field(discriminator="type")]
_Triangle = Annotated[
    list[float],
    Field(min_length=3, max_length=3, title="Triangle", description="[a, b, c], short for a triangular membership."),
]


def _triangle(value: Any) -> Any:
    """`[a, b, c]` is short for a triangle."""
    if value is None or isinstance(value, str | int | float):
        raise refused("should be three numbers, such as [0, 20, 40], or a mapping with type and parameters")
    return {"type": "triangular", "parameters": value} if isinstance(value, list) else value


Membership = Annotated[_ByType, BeforeValidator(_triangle, json_schema_input_type=_ByType | _Triangle)]
"""A membership function as it is written: a mapping, or the three numbers of a triangle."""
