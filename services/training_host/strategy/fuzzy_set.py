"""A fuzzy set: an indicator, and labelled sets of its values."""

from typing import Self

from pydantic import ConfigDict, model_validator

from services.training_host.strategy.membership import Membership, Shape
from services.training_host.strategy.model import Name, StrategyModel, refused
from services.training_host.strategy.preset import Preset


class FuzzySet(StrategyModel):
    """Labelled sets of the values of one indicator. Every key but `indicator` and `preset` is a label.

    A label is a membership function: `{type: triangular, parameters: [a, b, c]}`, in short `[a, b, c]`;
    `{type: trapezoidal, parameters: [a, b, c, d]}`; or `{type: gaussian, parameters: [center, spread]}`.

    Attributes:
        indicator: The indicator's id, or `id.output` where it has several outputs.
        preset: Labels that share a range evenly, instead of labels of one's own.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "if": {"required": ["preset"], "properties": {"preset": {"type": "object"}}},
            "then": {"maxProperties": 2},
            "else": {"minProperties": 2},
        },
    )
    __pydantic_extra__: dict[Name, Membership]

    indicator: str
    preset: Preset | None = None

    @property
    def labels(self) -> dict[str, Shape]:
        """The memberships by label: from the lowest values up of a preset, otherwise in the order of the text."""
        return self.preset.labels if self.preset is not None else dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _labels_or_preset(self) -> Self:
        if self.preset is not None and self.__pydantic_extra__:
            raise refused("has labels and a preset; leave one of them out")
        return self
