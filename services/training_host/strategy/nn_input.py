"""What goes into the network."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from services.training_host.strategy.model import StrategyModel
from services.training_host.strategy.training_data import Timeframe, different

_ALL_TAG = "all timeframes"
_SOME_TAG = "some timeframes"


def _all_or_some(value: Any) -> str | None:
    if isinstance(value, list):
        return _SOME_TAG
    return _ALL_TAG if value == "all" else None


Timeframes = Annotated[
    Annotated[Literal["all"], Tag(_ALL_TAG)]
    | Annotated[list[Timeframe], Field(min_length=1), AfterValidator(different), Tag(_SOME_TAG)],
    Discriminator(
        _all_or_some,
        custom_error_type="timeframes",
        custom_error_message="should be all, or a list of timeframes such as [1d]",
    ),
]
"""`all`, or some of the strategy's timeframes."""


class FuzzyInput(StrategyModel):
    """One input for each label of a fuzzy set: the memberships, which lie between 0 and 1 already.

    Attributes:
        fuzzy_set: Its id.
        timeframes: Timeframes to take it from: `all`, or a list.
    """

    fuzzy_set: str
    timeframes: Timeframes = "all"


class RawInput(StrategyModel):
    """One input: the values of an indicator.

    Attributes:
        raw_indicator: The indicator's id, or `id.output` where it has several outputs.
        timeframes: Timeframes to take it from: `all`, or a list.
        normalization: `zscore` to mean 0 and deviation 1, `minmax` to 0…1, both fitted on the training part only; or
            `none`.
    """

    raw_indicator: str
    timeframes: Timeframes = "all"
    normalization: Literal["minmax", "zscore", "none"] = "none"


_FUZZY_TAG = "fuzzy input"
_RAW_TAG = "raw input"


def _kind(value: Any) -> str | None:
    if isinstance(value, FuzzyInput) or (isinstance(value, dict) and "fuzzy_set" in value):
        return _FUZZY_TAG
    if isinstance(value, RawInput) or (isinstance(value, dict) and "raw_indicator" in value):
        return _RAW_TAG
    return None


NetworkInput = Annotated[
    Annotated[FuzzyInput, Tag(_FUZZY_TAG)] | Annotated[RawInput, Tag(_RAW_TAG)],
    Discriminator(
        _kind,
        custom_error_type="nn_input",
        custom_error_message="should be a mapping with the key fuzzy_set or raw_indicator",
    ),
]
