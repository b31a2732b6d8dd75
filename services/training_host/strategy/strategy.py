"""A checked strategy. What one key demands of another is checked by `load_strategy`, which makes all of them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from services.training_host.indicators.definition import Indicator
from services.training_host.strategy.evaluation import Backtest, Evaluation, Holdout
from services.training_host.strategy.fuzzy_set import FuzzySet
from services.training_host.strategy.model import Name, StrategyModel
from services.training_host.strategy.network import Decisions, Network, ReturnDecisions
from services.training_host.strategy.nn_input import NetworkInput
from services.training_host.strategy.training import Training
from services.training_host.strategy.training_data import TrainingData

CLASSES = {
    "forward_return": ("down", "flat", "up"),
    "triple_barrier": ("down", "flat", "up"),
    "zigzag": ("down", "up"),
}
"""The classes of each label source, in the order of the network's outputs."""


def _version(value: Any) -> Any:
    """`version: 3.0` is a number in YAML; what is meant is plain."""
    return "3.0" if type(value) in (int, float) and value == 3 else value


Version = Annotated[Literal["3.0"], BeforeValidator(_version), WithJsonSchema({"enum": ["3.0", 3.0]})]
"""Version of the format."""


class Strategy(StrategyModel):
    """A neuro-fuzzy strategy, version 3 of the format.

    Attributes:
        name: Short name: letters, digits, `_` and `-`.
        version: Version of the format.
        description: For people.
        training_data: Which bars.
        indicators: Indicators by id, which inputs and fuzzy sets refer to.
        fuzzy_sets: Fuzzy sets by id, which inputs refer to.
        nn_inputs: What goes into the network, in this order.
        model: The network.
        decisions: How its answer is read.
        training: How it is trained.
        evaluation: How it is judged.
        backtest: How its decisions are turned into a return.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
    version: Version
    description: str = ""
    training_data: TrainingData
    indicators: Annotated[dict[Name, Indicator], Field(min_length=1)]
    fuzzy_sets: dict[Name, FuzzySet] = Field(default_factory=dict)
    nn_inputs: Annotated[list[NetworkInput], Field(min_length=1)]
    model: Network
    decisions: Decisions
    training: Training
    evaluation: Evaluation = Holdout()
    backtest: Backtest = Backtest()

    @property
    def symbols(self) -> tuple[str, ...]:
        """All instruments."""
        return self.training_data.symbol_list

    @property
    def timeframes(self) -> tuple[str, ...]:
        """All lengths of bars, the shortest first."""
        return self.training_data.timeframe_list

    @property
    def base_timeframe(self) -> str:
        """Length of the bars that are the samples."""
        return self.training_data.base_timeframe

    @property
    def is_regression(self) -> bool:
        """The network answers with a return, and not with a class."""
        return isinstance(self.decisions, ReturnDecisions)

    @property
    def classes(self) -> tuple[str, ...]:
        """What the network tells apart, in the order of its outputs; none for a regression."""
        return () if self.is_regression else CLASSES[self.training.labels.source]

    @property
    def outputs(self) -> int:
        """Numbers that the network answers with: a logit for each class, or one return."""
        return len(self.classes) or 1

    @property
    def warm_up_bars(self) -> int:
        """Bars of each timeframe before the first sample: the history asked for, which no indicator exceeds."""
        longest = max(indicator.warm_up_bars for indicator in self.indicators.values())
        return max(longest, self.training_data.history_required)
