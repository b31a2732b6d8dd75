"""What all models of the format share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError


class StrategyModel(BaseModel):
    """Base of all parts of a strategy: immutable, nothing is converted silently, and an unknown key is an error.

    The keys are described under "Attributes" of each part; the JSON Schema takes its descriptions from there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
"""Name of an indicator, fuzzy set or label: letters, digits, `_`. Dots are left for `indicator.output`."""

Fraction = Annotated[float, Field(gt=0, lt=1)]
"""A share between 0 and 1, both excluded."""


def refused(description: str) -> PydanticCustomError:
    """Return what a validator raises: the description says what would be right."""
    return PydanticCustomError("refused", "{description}", {"description": description})
