"""The columns of the feature matrix."""

from dataclasses import dataclass

from services.training_host.strategy.membership import Gaussian, Trapezoidal, Triangular
from services.training_host.strategy.nn_input import FuzzyInput
from services.training_host.strategy.strategy import Strategy


@dataclass(frozen=True)
class FeatureColumn:
    """One input of the network.

    Attributes:
        name: Such as `momentum.oversold` or `natr_14`; `natr_14@1w` where the strategy has several timeframes.
        source: Output of an indicator that it is made from.
        timeframe: Length of the bars that the indicator is taken over.
        membership: Function that turns it into a membership; None for a raw input.
        normalization: How a raw input is scaled; `none` for memberships.
    """

    name: str
    source: str
    timeframe: str
    membership: Triangular | Trapezoidal | Gaussian | None
    normalization: str


def feature_columns(strategy: Strategy) -> list[FeatureColumn]:
    """Return the inputs in the order of `nn_inputs`.

    Within an entry they come in the order of its timeframes, the shortest first, and within a timeframe of the fuzzy
    set's labels.
    """
    columns: list[FeatureColumn] = []
    several = len(strategy.timeframes) > 1
    for entry in strategy.nn_inputs:
        for timeframe in strategy.timeframes:
            if entry.timeframes != "all" and timeframe not in entry.timeframes:
                continue
            suffix = f"@{timeframe}" if several else ""
            if isinstance(entry, FuzzyInput):
                fuzzy_set = strategy.fuzzy_sets[entry.fuzzy_set]
                columns += [
                    FeatureColumn(f"{entry.fuzzy_set}.{label}{suffix}", fuzzy_set.indicator, timeframe, kind, "none")
                    for label, kind in fuzzy_set.labels.items()
                ]
            else:
                name = f"{entry.raw_indicator}{suffix}"
                columns.append(FeatureColumn(name, entry.raw_indicator, timeframe, None, entry.normalization))
    return columns
