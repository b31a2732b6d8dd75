"""Fuzzy sets: an indicator, and labelled sets of its values."""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
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


_TERMS = {
    2: ("low", "high"),
    3: ("low", "medium", "high"),
    5: ("very_low", "low", "medium", "high", "very_high"),
    7: ("lowest", "very_low", "low", "medium", "high", "very_high", "highest"),
}


class Preset(StrategyModel):
    """So many labels that share a range evenly: neighbours cross at one half, and the outer ones reach beyond the ends.

    The labels are `low, high` (2), `low, medium, high` (3), `very_low, low, medium, high, very_high` (5), and these with
    `lowest` and `highest` (7).

    Attributes:
        terms: Number of labels.
        range: Values at which the outer labels have their full membership, [from, to].
        shape: Of the inner labels.
    """

    terms: Literal[2, 3, 5, 7]
    range: Annotated[list[float], _exactly(2), AfterValidator(_ascending)]
    shape: Literal["triangular", "gaussian"] = "triangular"

    @property
    def labels(self) -> dict[str, "Triangular | Trapezoidal | Gaussian"]:
        """The memberships by label, from the lowest values up."""
        low, high = self.range
        step = (high - low) / (self.terms - 1)
        peaks = [low + index * step for index in range(self.terms)]
        return {name: self._membership(index, peaks, step) for index, name in enumerate(_TERMS[self.terms])}

    def _membership(self, index: int, peaks: list[float], step: float) -> "Triangular | Trapezoidal | Gaussian":
        peak = peaks[index]
        far = FAR_STEPS * step
        if index == 0:
            return Trapezoidal(type="trapezoidal", parameters=[peak - far, peak - far, peak, peak + step])
        if index == self.terms - 1:
            return Trapezoidal(type="trapezoidal", parameters=[peak - step, peak, peak + far, peak + far])
        if self.shape == "gaussian":
            return Gaussian(type="gaussian", parameters=[peak, step / math.sqrt(8 * math.log(2))])
        return Triangular(type="triangular", parameters=[peak - step, peak, peak + step])


FAR_STEPS = 1e6
"""How far the outer labels of a preset reach, in distances between two labels: further than values ever are."""


class FuzzySet(StrategyModel):
    """Labelled sets of the values of one indicator. Every key but `indicator` and `preset` is a label.

    Attributes:
        indicator: The indicator's id, or `id.output` where it has several outputs.
        preset: Labels that share a range evenly, instead of labels of one's own.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Name, Membership]

    indicator: str
    preset: Preset | None = None

    @property
    def labels(self) -> dict[str, Triangular | Trapezoidal | Gaussian]:
        """The memberships by label, in the order of the text."""
        return self.preset.labels if self.preset is not None else dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _labels_or_preset(self) -> Self:
        if self.preset is not None and self.__pydantic_extra__:
            raise PydanticCustomError("preset", "has labels and a preset; leave one of them out")
        return self
