"""Thresholds of the rules, as configuration and requests name them."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Self

from ktrdr.host.v1.errors_pb2 import ErrorReason
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.common.errors import FieldViolation, ServiceError

_Share = Annotated[float, Field(gt=0, le=1000)]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Thresholds(BaseModel):
    """What a rule compares with. Losses are compared relative to their own size: 0.05 is five percent of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    plateau_epochs: _Count = Field(default=10, description="Epochs without an improvement.")
    plateau_improvement: float = Field(default=0.001, ge=0, lt=1, description="Least improvement that counts.")
    overfitting_epochs: _Count = Field(default=5, description="Epochs in a row in which it has to be so.")
    overfitting_rise: _Share = Field(default=0.05, description="Rise of the validation loss above its lowest.")
    overfitting_critical_rise: _Share = Field(default=0.5, description="Rise from which on it is critical.")
    overfitting_fall: float = Field(default=0.02, ge=0, lt=1, description="Fall of the training loss since then.")
    divergence_ratio: float = Field(default=2.0, gt=1, le=1e9, description="Loss over the lowest one.")
    divergence_given_back: float = Field(default=0.75, ge=0, le=1000, description="Share of what had been gained.")
    divergence_epochs: _Count = Field(default=2, description="Epochs in a row in which it has to be so.")
    divergence_steps: _Count = Field(default=50, description="Batches in a row, for the loss of batches.")
    no_learning_epochs: _Count = Field(default=10, description="Epochs that a training gets to begin to learn.")
    no_learning_fall: float = Field(default=0.01, gt=0, lt=1, description="Least fall of the loss since the start.")
    no_learning_accuracy: float = Field(default=0.001, ge=0, lt=1, description="Least change of the accuracy.")
    stalled_gaps: float = Field(default=5.0, ge=1, le=1e6, description="Usual gaps between two points.")
    stalled_seconds: float = Field(default=60.0, ge=0, le=1e7, description="Least time without a point, in seconds.")
    throughput_ratio: float = Field(default=2.0, gt=1, le=1e6, description="Time of an epoch over the usual one.")
    throughput_epochs: _Count = Field(default=3, description="Epochs in a row that have to be slow.")
    throughput_seconds: float = Field(default=0.1, ge=0, le=1e7, description="Shortest epoch to judge, in seconds.")

    def __str__(self) -> str:
        """As configuration has those that were changed."""
        changed = [f"{name}={getattr(self, name):g}" for name in sorted(self.model_fields_set)]
        return ",".join(changed) or "the built-in ones"

    def values(self) -> dict[str, float]:
        """Return all thresholds by name."""
        return {name: float(getattr(self, name)) for name in type(self).model_fields}

    def changed(self, others: Mapping[str, float]) -> Self:
        """Return these thresholds with some others.

        Raises:
            ServiceError: INVALID_REQUEST: there is no such threshold, or it cannot be that; all faults are named.
        """
        try:
            return type(self).model_validate(self.model_dump(exclude_unset=True) | dict(others))
        except ValidationError as error:
            fields = [self._violation(str(one["loc"][0]), one["msg"]) for one in error.errors(include_url=False)]
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields) from error

    def _violation(self, name: str, message: str) -> FieldViolation:
        if name not in type(self).model_fields:
            return FieldViolation(f"thresholds[{name!r}]", f"no threshold; there are {', '.join(self.values())}")
        return FieldViolation(f"thresholds[{name!r}]", message.replace("Input should", "should"))


def parse_thresholds(value: object) -> object:
    """Return the table that `NAME=VALUE` texts stand for: one with commas, or several. A table is left as it is.

    Raises:
        ValueError: A text is written in another way, or there is no such threshold.
    """
    table = value
    if isinstance(value, str):
        table = _table(value.split(","))
    elif isinstance(value, list | tuple):
        table = _table(value)
    for name in table if isinstance(table, Mapping) else ():
        if name not in Thresholds.model_fields:
            meant = difflib.get_close_matches(str(name), Thresholds.model_fields, n=1)
            advice = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(Thresholds.model_fields)}"
            message = f"there is no threshold {name}; {advice}"
            raise ValueError(message)
    return table


def _table(words: Iterable[object]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for word in filter(None, (str(word).strip() for word in words)):
        name, equals, number = word.partition("=")
        if not equals:
            message = f"{word!r} is not NAME=VALUE, such as plateau_epochs=5"
            raise ValueError(message)
        table[name.strip()] = number.strip()
    return table


ConfiguredThresholds = Annotated[Thresholds, BeforeValidator(parse_thresholds)]
"""A field of settings: a table, or `NAME=VALUE` with commas."""

DEFAULT_THRESHOLDS: Final = Thresholds()
