"""From bars to the three parts of a training, as arrays."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.series import Bars, faulty_bar
from services.training_host.failures import bar_source_unavailable, one_class_only, too_few_bars
from services.training_host.features.column import FeatureColumn, feature_columns
from services.training_host.features.matrix import feature_matrix, usable_rows
from services.training_host.features.scaler import Scaler
from services.training_host.indicators.calculation import calculate_all
from services.training_host.labels.series import UNLABELLED, LabelSeries
from services.training_host.labels.source import make_labels
from services.training_host.progress import Progress
from services.training_host.split.chronological import PARTS, Split, chronological_split
from services.training_host.strategy.strategy import Strategy
from services.training_host.strategy.training import ForwardReturnLabels

LEAST_SAMPLES = 10
"""Samples that each part needs at least: below that its accuracy means nothing."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything that the network is trained and judged on.

    Attributes:
        bars: The bars.
        columns: The inputs.
        scaler: Fitted on the training part.
        inputs: float32 [bars, inputs], scaled; NaN where a bar is no sample.
        labels: Classes of the bars.
        split: Which bars belong to which part.
    """

    bars: Bars
    columns: list[FeatureColumn]
    scaler: Scaler
    inputs: NDArray[np.float32]
    labels: LabelSeries
    split: Split

    def part(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return inputs [samples, inputs] and classes [samples] of a part."""
        rows = self.split.part(name)
        return self.inputs[rows], self.labels.classes[rows]


def prepare(strategy: Strategy, bars: Bars, origin: str, progress: Progress) -> Dataset:
    """Compute indicators, inputs and labels, and split the samples.

    Args:
        strategy: What to compute.
        bars: Over which.
        origin: Where the bars came from, for errors.
        progress: Told about the phases.

    Raises:
        ServiceError: BAR_SOURCE_UNAVAILABLE, if a bar is damaged. TOO_FEW_BARS, if a part of the split comes out too
            small. STRATEGY_INVALID, if the training part has one class only.
    """
    if fault := faulty_bar(bars):
        raise bar_source_unavailable(origin, f"Its bars are damaged: {fault}")
    progress.set_phase("indicators", total=len(strategy.indicators), unit="indicator")
    indicators = calculate_all(strategy.indicators, bars)
    progress.raise_if_cancelled()
    columns = feature_columns(strategy)
    progress.set_phase("features", total=len(columns), unit="input")
    matrix = feature_matrix(columns, indicators)
    progress.raise_if_cancelled()
    progress.set_phase("labels")
    labels = make_labels(strategy.training.labels, bars)
    has_inputs = usable_rows(matrix, strategy.warm_up_bars)
    samples = np.flatnonzero(has_inputs & (labels.classes != UNLABELLED))
    split = chronological_split(samples, labels.ends[samples], strategy.training.data_split)
    _require_enough(strategy, bars, samples, split)
    classes = np.unique(labels.classes[split.train])
    if len(classes) < 2:
        raise one_class_only(strategy.classes[int(classes[0])])
    scaler = Scaler.fit(columns, matrix[split.train])
    return Dataset(bars, columns, scaler, scaler.apply(matrix), labels, split)


def _require_enough(strategy: Strategy, bars: Bars, samples: NDArray[np.int64], split: Split) -> None:
    sizes = {name: len(split.part(name)) for name in PARTS}
    if min(sizes.values()) >= LEAST_SAMPLES:
        return
    detail = (
        f"{bars.symbol} {bars.timeframe} has {len(bars)} bars; {strategy.warm_up_bars} are history, "
        f"{len(samples)} have inputs and a label, {len(split.purged)} of these are purged at the borders; this "
        f"leaves {sizes['train']} to train, {sizes['validation']} to validate, {sizes['test']} to test, and each "
        f"needs {LEAST_SAMPLES}"
    )
    raise too_few_bars(len(bars), max(_bars_needed(strategy), len(bars) + 1), detail)


def _bars_needed(strategy: Strategy) -> int:
    """Return how many bars give each part its samples.

    Labels that end after a fixed number of bars cost as many at the end of each part; what swings cost is not known
    before they happen, so that their number is a lower bound.
    """
    labels, shares = strategy.training.labels, strategy.training.data_split
    ahead = labels.horizon if isinstance(labels, ForwardReturnLabels) else 1
    purged = LEAST_SAMPLES + ahead
    # One more for each border, which is rounded.
    samples = max(purged / shares.train, purged / shares.validation, LEAST_SAMPLES / shares.test) + 2
    return strategy.warm_up_bars + ahead + math.ceil(samples)
