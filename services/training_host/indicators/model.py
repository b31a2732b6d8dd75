"""What all indicators have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from services.training_host.strategy.model import StrategyModel

LONGEST_WINDOW = 1_000
"""Bars that a window has at most."""


@dataclass(frozen=True)
class Output:
    """One of the series that an indicator computes.

    Attributes:
        name: How strategies refer to it.
        description: What it is, and its unit or range.
        scale_free: It stays the same when all prices, or all volumes, are multiplied by a factor. Only then do
            breakpoints of fuzzy sets keep their meaning over the years and from one instrument to the next.
    """

    name: str
    description: str
    scale_free: bool


class IndicatorDefinition(StrategyModel, ABC):
    """Base of all indicators.

    A definition names its `title`, `inputs` and `results`; the other class attributes follow from these.

    Attributes:
        title: What the indicator is called among people.
        inputs: Columns of the bars that it reads, such as `close`.
        results: What it computes, in order.
        outputs: Names of the results. An indicator with one output is referred to by its id alone, one with several by
            `id.output`.
        output_descriptions: What each output is, and its unit or range.
        scale_free: Names of the outputs that do not depend on the level of prices and volumes.
        type: Name of the kind of indicator.
    """

    title: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    results: ClassVar[tuple[Output, ...]]
    outputs: ClassVar[tuple[str, ...]]
    output_descriptions: ClassVar[Mapping[str, str]]
    scale_free: ClassVar[frozenset[str]]

    type: str

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Derive what follows from the results."""
        if "results" in cls.__dict__:
            cls.outputs = tuple(result.name for result in cls.results)
            cls.output_descriptions = {result.name: result.description for result in cls.results}
            cls.scale_free = frozenset(result.name for result in cls.results if result.scale_free)

    @property
    @abstractmethod
    def warm_up_bars(self) -> int:
        """Bars at the beginning for which there is no value yet; the same for all outputs."""


class FullWindow(IndicatorDefinition):
    """Base of indicators of the last `period` bars."""

    period: int

    @property
    def warm_up_bars(self) -> int:
        """The window has to be full."""
        return self.period - 1


class WindowOfChanges(IndicatorDefinition):
    """Base of indicators of the last `period` changes from one bar to the next."""

    period: int

    @property
    def warm_up_bars(self) -> int:
        """The first change needs the bar before it."""
        return self.period


def window(default: int, description: str, *, least: int = 2) -> Any:
    """Return the field of a parameter that is a number of bars.

    Args:
        default: Its value where the strategy names none.
        description: What it is the number of.
        least: Its smallest value.
    """
    return Field(default=default, ge=least, le=LONGEST_WINDOW, description=description)


def scale_free(name: str, description: str) -> Output:
    """Return an output that does not depend on the level of prices and volumes."""
    return Output(name, description, scale_free=True)


def in_units(name: str, description: str) -> Output:
    """Return an output in units of price or volume."""
    return Output(name, description, scale_free=False)
