"""The columns of the feature matrix."""

from dataclasses import dataclass

from services.training_host.strategy.membership import Gaussian, Trapezoidal, Triangular
from services.training_host.strategy.nn_input import FuzzyInput
from services.training_host.strategy.strategy import Strategy


@dataclass(frozen=True)
class FeatureColumn:
    """One input of the network.

    Attributes:
        name: Such as `momentum.oversold` or `natr_14`.
        source: Output of an indicator that it is made from.
        membership: Function that turns it into a membership; None for a raw input.
        normalization: How a raw input is scaled; `none` for memberships.
    """

    name: str
    source: str
    membership: Triangular | Trapezoidal | Gaussian | None
    normalization: str


def feature_columns(strategy: Strategy) -> list[FeatureColumn]:
    """Return the inputs in the order of `nn_inputs`, and of the labels within a fuzzy set."""
    columns: list[FeatureColumn] = []
    for entry in strategy.nn_inputs:
        if isinstance(entry, FuzzyInput):
            fuzzy_set = strategy.fuzzy_sets[entry.fuzzy_set]
            columns += [
                FeatureColumn(f"{entry.fuzzy_set}.{label}", fuzzy_set.indicator, kind, "none")
                for label, kind in fuzzy_set.labels.items()
            ]
        else:
            columns.append(FeatureColumn(entry.raw_indicator, entry.raw_indicator, None, entry.normalization))
    return columns
