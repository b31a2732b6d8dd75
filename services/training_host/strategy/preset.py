"""Labels that share a range evenly, so that nobody has to write their breakpoints."""

import math
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from services.training_host.strategy.membership import Gaussian, Shape, Trapezoidal, Triangular, ascending, exactly
from services.training_host.strategy.model import StrategyModel, refused

PRESET_LABELS: Final[dict[int, tuple[str, ...]]] = {
    2: ("low", "high"),
    3: ("low", "medium", "high"),
    5: ("very_low", "low", "medium", "high", "very_high"),
    7: ("lowest", "very_low", "low", "medium", "high", "very_high", "highest"),
}
"""The labels of a preset by their number, from the lowest values up."""

FAR_STEPS: Final = 1e6
"""How far the outer labels of a preset reach, in distances between two labels: further than values ever are."""

_LARGEST: Final = 1e15
_NARROWEST: Final = 1e-9
"""Narrower than this share of its values, a range has no room for labels among the numbers that there are."""
_Limit = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


def _spacious(limits: list[float]) -> list[float]:
    low, high = ascending(limits)
    if high - low < _NARROWEST * max(abs(low), abs(high)):
        raise refused("the two numbers are too close to each other")
    return limits


class Preset(StrategyModel):
    """So many labels that share a range evenly: neighbours cross at one half, and the outer ones reach beyond the ends.

    The labels are `low, high` (2), `low, medium, high` (3), `very_low, low, medium, high, very_high` (5), and these
    with `lowest` and `highest` (7).

    Attributes:
        terms: Number of labels: 2, 3, 5 or 7.
        range: Values at which the outer labels have their full membership, [from, to].
        shape: Of the inner labels; with 2 terms there are none. The outer ones are shoulders.
    """

    terms: Literal[2, 3, 5, 7]
    range: Annotated[list[_Limit], exactly(2), AfterValidator(_spacious)]
    shape: Literal["triangular", "gaussian"] = "triangular"

    @field_validator("shape")
    @classmethod
    def _shape_is_read(cls, shape: str, info: ValidationInfo) -> str:
        if info.data.get("terms") == 2 and shape != "triangular":
            raise refused("is not read with terms: 2, which has outer labels only; leave it out")
        return shape

    @property
    def labels(self) -> dict[str, Shape]:
        """The memberships by label, from the lowest values up."""
        low, high = self.range
        step = (high - low) / (self.terms - 1)
        peaks = [low + index * step for index in range(self.terms)]
        return {name: self._membership(index, peaks, step) for index, name in enumerate(PRESET_LABELS[self.terms])}

    def _membership(self, index: int, peaks: list[float], step: float) -> Shape:
        peak = peaks[index]
        far = FAR_STEPS * step
        if index == 0:
            return Trapezoidal(type="trapezoidal", parameters=[peak - far, peak - far, peak, peak + step])
        if index == self.terms - 1:
            return Trapezoidal(type="trapezoidal", parameters=[peak - step, peak, peak + far, peak + far])
        if self.shape == "gaussian":
            # Half of the full membership lies half a step away.
            return Gaussian(type="gaussian", parameters=[peak, step / math.sqrt(8 * math.log(2))])
        return Triangular(type="triangular", parameters=[peak - step, peak, peak + step])
