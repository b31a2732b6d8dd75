"""The bars that a backtest covers."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.dataset import Dataset, Fold


def span_rows(dataset: Dataset, fold: Fold) -> NDArray[np.int64]:
    """Return the rows at whose closes a fold's network may decide: int64, ascending.

    They are all bars from its first test sample on up to the first test sample of the next fold, or to the end of the
    data, whether they are samples or not: who decides at a bar's close does not know yet which bars will have a label.
    The last bar of a symbol is none of them, as no return follows it.
    """
    times = dataset.times
    inside = times >= _first_test_time(dataset, fold)
    if fold.number < len(dataset.folds):
        inside &= times < _first_test_time(dataset, dataset.folds[fold.number])
    for symbol in dataset.symbol_rows.values():
        inside[symbol.stop - 1 : symbol.stop] = False
    return np.flatnonzero(inside)


def decision_rows(dataset: Dataset, fold: Fold) -> NDArray[np.int64]:
    """Return those of `span_rows` that have inputs, so that the network can answer."""
    rows = span_rows(dataset, fold)
    return rows[dataset.has_inputs[rows]]


def _first_test_time(dataset: Dataset, fold: Fold) -> int:
    return int(dataset.times[fold.split.test[0]])
