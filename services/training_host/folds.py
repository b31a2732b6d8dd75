"""The splits of a training's samples, with what is learnt from each training part before the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.loaded import LoadedBars
from services.training_host.failures import equal_returns, one_class_only, too_few_bars
from services.training_host.features.column import FeatureColumn
from services.training_host.features.scaler import Scaler
from services.training_host.labels.series import LabelSeries
from services.training_host.split.borders import borders
from services.training_host.split.chronological import PARTS, Split, chronological_split
from services.training_host.split.least import LEAST_SAMPLES, bars_needed
from services.training_host.split.rows import SampleRows
from services.training_host.strategy.strategy import Strategy

_NO_DEVIATION: Final = 1e-12
"""Returns that deviate less are the same but for rounding."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One split, and what was learnt from its training part alone.

    Attributes:
        number: From 1.
        split: Which rows belong to which part.
        scaler: Of the inputs, fitted on the training part.
        target_scale: Of a regression: standard deviation of the training part's returns, greater than 0. Otherwise 1.
    """

    number: int
    split: Split
    scaler: Scaler
    target_scale: float


def make_folds(
    strategy: Strategy,
    loaded: LoadedBars,
    samples: SampleRows,
    *,
    matrix: NDArray[np.float64],
    columns: Sequence[FeatureColumn],
    labels: LabelSeries,
) -> list[Fold]:
    """Split samples the way a strategy asks for.

    Args:
        strategy: Says how.
        loaded: The bars, for errors.
        samples: What is split.
        matrix: float64 [rows, inputs], not scaled.
        columns: The inputs.
        labels: Of all rows.

    Raises:
        ServiceError: TOO_FEW_BARS or STRATEGY_INVALID.
    """
    cuts = borders(samples, strategy.training.data_split, strategy.evaluation)
    folds: list[Fold] = []
    for number, cut in enumerate(cuts, start=1):
        split = chronological_split(samples, cut, embargo=strategy.evaluation.embargo)
        place = f"training part of fold {number}" if len(cuts) > 1 else "training part"
        _require_enough(strategy, loaded, len(samples), split, f"fold {number} of {len(cuts)}" if len(cuts) > 1 else "")
        target_scale = 1.0
        if strategy.is_regression:
            target_scale = float(labels.returns[split.train].std())
            if target_scale <= _NO_DEVIATION:
                raise equal_returns(place)
        else:
            classes = np.unique(labels.classes[split.train])
            if len(classes) < 2:
                raise one_class_only(strategy.classes[int(classes[0])], place)
        folds.append(Fold(number, split, Scaler.fit(columns, matrix, split.train), target_scale))
    return folds


def _require_enough(strategy: Strategy, loaded: LoadedBars, samples: int, split: Split, fold: str) -> None:
    sizes = {name: len(split.part(name)) for name in PARTS}
    if min(sizes.values()) >= LEAST_SAMPLES:
        return
    base = sum(len(bars) for bars in loaded.series.values() if bars.timeframe == strategy.base_timeframe)
    detail = (
        f"{_shortest(strategy, loaded)}; {strategy.warm_up_bars} are history, {samples} have inputs and a label, "
        f"{len(split.purged)} of these are left out at the borders; this leaves {fold + ' ' if fold else ''}"
        f"{sizes['train']} to train, {sizes['validation']} to validate, {sizes['test']} to test, and each needs "
        f"{LEAST_SAMPLES}"
    )
    raise too_few_bars(base, max(bars_needed(strategy), base + 1), detail)


def _shortest(strategy: Strategy, loaded: LoadedBars) -> str:
    """Name, for each timeframe, the series with the fewest bars: those that can hold all others back."""
    shortest = [
        min((bars for bars in loaded.series.values() if bars.timeframe == timeframe), key=len)
        for timeframe in strategy.timeframes
    ]
    named = ", ".join(f"{bars.symbol} {bars.timeframe} has {len(bars)} bars" for bars in shortest)
    return (
        f"Of {len(strategy.symbols)} symbols those with the fewest bars: {named}"
        if len(strategy.symbols) > 1
        else named
    )
