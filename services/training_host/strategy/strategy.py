"""A checked strategy."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.training_host.indicators.definition import Indicator
from services.training_host.strategy.membership import FuzzySet
from services.training_host.strategy.model import Name, StrategyModel
from services.training_host.strategy.network import Decisions, Network
from services.training_host.strategy.nn_input import NetworkInput
from services.training_host.strategy.training import Training
from services.training_host.strategy.training_data import TrainingData

CLASSES = {"forward_return": ("down", "flat", "up"), "zigzag": ("down", "up")}
"""The classes of each label source, in the order of the network's outputs."""


class Strategy(StrategyModel):
    """A neuro-fuzzy strategy, version 3 of the format.

    Attributes:
        name: Short name: letters, digits, `_` and `-`.
        version: Version of the format.
        description: For people.
        training_data: Which bars.
        indicators: Indicators by id.
        fuzzy_sets: Fuzzy sets by id.
        nn_inputs: What goes into the network, in this order.
        model: The network.
        decisions: How its answer is read.
        training: How it is trained.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
    version: Literal["3.0"]
    description: str = ""
    training_data: TrainingData
    indicators: Annotated[dict[Name, Indicator], Field(min_length=1)]
    fuzzy_sets: dict[Name, FuzzySet] = Field(default_factory=dict)
    nn_inputs: Annotated[list[NetworkInput], Field(min_length=1)]
    model: Network
    decisions: Decisions
    training: Training

    @property
    def symbol(self) -> str:
        """The instrument."""
        return self.training_data.symbols.symbol

    @property
    def timeframe(self) -> str:
        """The length of its bars."""
        return self.training_data.timeframes.timeframe

    @property
    def classes(self) -> tuple[str, ...]:
        """What the network tells apart, in the order of its outputs."""
        return CLASSES[self.training.labels.source]

    @property
    def warm_up_bars(self) -> int:
        """Bars before the first sample: the history asked for, which no indicator exceeds."""
        longest = max(indicator.warm_up_bars for indicator in self.indicators.values())
        return max(longest, self.training_data.history_required)
