"""A checked strategy."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.training_host.indicators.definition import Indicator
from services.training_host.strategy.evaluation import Backtest, Evaluation, Holdout
from services.training_host.strategy.membership import FuzzySet
from services.training_host.strategy.model import Name, StrategyModel
from services.training_host.strategy.network import Decisions, Network, ReturnDecisions
from services.training_host.strategy.nn_input import NetworkInput
from services.training_host.strategy.training import ForwardReturnLabels, Huber, Training
from services.training_host.strategy.training_data import TrainingData

CLASSES = {
    "forward_return": ("down", "flat", "up"),
    "triple_barrier": ("down", "flat", "up"),
    "zigzag": ("down", "up"),
}
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
        evaluation: How it is judged.
        backtest: How its decisions are turned into a return.
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
    evaluation: Evaluation = Field(default_factory=Holdout)
    backtest: Backtest = Field(default_factory=Backtest)

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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        labels, loss = self.training.labels, self.training.loss
        if self.is_regression:
            if not isinstance(labels, ForwardReturnLabels):
                raise _misfit("output_format: regression needs labels with source: forward_return")
            if labels.threshold is not None:
                raise _misfit("training.labels.threshold is read with output_format: classification only")
            if not isinstance(loss, Huber):
                raise _misfit("output_format: regression needs loss: huber")
        else:
            if isinstance(labels, ForwardReturnLabels) and labels.threshold is None:
                raise _misfit("training.labels.threshold is missing: from which return on a move is up or down")
            if isinstance(loss, Huber):
                raise _misfit("loss: huber needs output_format: regression")
        return self


def _misfit(message: str) -> PydanticCustomError:
    return PydanticCustomError("misfit", message)  # type: ignore[arg-type]  # it wants a literal text; these are
