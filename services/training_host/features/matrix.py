"""Values of the network's inputs over bars."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.closing import close_times
from services.training_host.bars.series import Bars
from services.training_host.features.blocks import row_blocks
from services.training_host.features.column import FeatureColumn
from services.training_host.fuzzy.function import membership
from services.training_host.indicators.calculation import calculate_all
from services.training_host.indicators.definition import Indicator, references


def fill_features(
    out: NDArray[np.float64],
    columns: Sequence[FeatureColumn],
    *,
    indicators: Mapping[str, Indicator],
    bars: Bars,
    base_bars: Bars,
    warm_up_bars: int,
) -> None:
    """Compute the inputs that come from one series, not yet scaled.

    A row tells what is known when its bar is over: of the row's own bar, or, of longer bars, of the last one that was
    over by then. So each row depends only on what has happened by the end of its bar.

    Args:
        out: float64 [base bars, inputs]: written in the columns of the timeframe of `bars`; NaN where an indicator has
            no value yet, or none but from the warm-up.
        columns: All inputs of the network, in order.
        indicators: By id; those that no input of this timeframe reads are not computed.
        bars: The series: the base bars themselves, or longer ones of the same symbol.
        base_bars: The bars that the rows are of.
        warm_up_bars: Bars at the beginning of the series that only feed the indicators.

    Raises:
        VolumeMissing: An indicator needs a volume that the bars do not have.
    """
    mine = [(index, column) for index, column in enumerate(columns) if column.timeframe == bars.timeframe]
    read = {column.source for _, column in mine}
    needed = {name: each for name, each in indicators.items() if read & set(references(name, each.outputs))}
    values = calculate_all(needed, bars)
    if bars.timeframe == base_bars.timeframe:
        for rows in row_blocks(len(bars)):
            for index, column in mine:
                _write(column, values[column.source][rows], out[rows, index])
        for index, _ in mine:
            out[:warm_up_bars, index] = np.nan
        return
    last_closed = closed_bars(bars, base_bars)
    known = np.full((len(mine), len(bars) + 1), np.nan)  # the last bar stands for "none is over": index -1
    for number, (_, column) in enumerate(mine):
        _write(column, values[column.source], known[number, :-1])
    known[:, :warm_up_bars] = np.nan
    for rows in row_blocks(len(base_bars)):
        for number, (index, _) in enumerate(mine):
            out[rows, index] = known[number][last_closed[rows]]


def closed_bars(bars: Bars, base_bars: Bars) -> NDArray[np.int64]:
    """Return for each base bar the index of the last of some longer bars that is over when it is over; -1 for none."""
    return np.searchsorted(close_times(bars), close_times(base_bars), side="right") - 1


def _write(column: FeatureColumn, values: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    if column.membership is None:
        out[:] = values
    else:
        membership(column.membership, values, out=out)
