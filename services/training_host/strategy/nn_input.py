"""What goes into the network."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from services.training_host.strategy.model import StrategyModel
from services.training_host.strategy.training_data import Timeframe

Timeframes = Literal["all"] | Annotated[list[Timeframe], Field(min_length=1)]
"""`all`, or some of the strategy's timeframes."""


class FuzzyInput(StrategyModel):
    """One input for each label of a fuzzy set: the memberships, which lie between 0 and 1 already.

    Attributes:
        fuzzy_set: Its id.
        timeframes: Timeframes to take it from.
    """

    fuzzy_set: str
    timeframes: Timeframes = "all"


class RawInput(StrategyModel):
    """One input: the values of an indicator.

    Attributes:
        raw_indicator: The indicator's id, or `id.output`.
        timeframes: Timeframes to take it from.
        normalization: `zscore` to mean 0 and deviation 1, `minmax` to 0…1, both fitted on the training part only; or
            `none`.
    """

    raw_indicator: str
    timeframes: Timeframes = "all"
    normalization: Literal["minmax", "zscore", "none"] = "none"


FUZZY_TAG = "fuzzy input"
RAW_TAG = "raw input"


def _kind(value: Any) -> str | None:
    if isinstance(value, FuzzyInput) or (isinstance(value, dict) and "fuzzy_set" in value):
        return FUZZY_TAG
    if isinstance(value, RawInput) or (isinstance(value, dict) and "raw_indicator" in value):
        return RAW_TAG
    return None


NetworkInput = Annotated[
    Annotated[FuzzyInput, Tag(FUZZY_TAG)] | Annotated[RawInput, Tag(RAW_TAG)],
    Discriminator(
        _kind,
        custom_error_type="nn_input",
        custom_error_message="should be a mapping with the key fuzzy_set or raw_indicator",
    ),
]
