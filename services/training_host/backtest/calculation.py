"""Positions in all symbols, one symbol's capital beside the other's."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.training_host.backtest.performance import performance
from services.training_host.backtest.position import HeldPositions, hold_positions
from services.training_host.backtest.report import BacktestReport
from services.training_host.bars.periods import DAY_NS
from services.training_host.dataset import Dataset
from services.training_host.instants import utc

YEAR_NS: Final = 365.25 * DAY_NS


def backtest(dataset: Dataset, rows: NDArray[np.int64], positions: NDArray[np.int8], *, cost: float) -> BacktestReport:
    """Follow positions, and hold all symbols over the same bars.

    Every symbol of the dataset has the same share of the capital, and keeps it: gains are not reinvested. Bars of
    different symbols that end at the same time are one return of the whole. See `hold_positions` for one symbol.

    Args:
        dataset: The bars.
        rows: int64 [bars], ascending, at least one: rows of the dataset at whose closes positions are decided. Each has
            a next bar of its symbol, and those of a symbol follow each other without a gap.
        positions: int8 [bars]: 1 long, -1 short, 0 none.
        cost: Share of the traded value that each change costs.
    """
    # Where bars end: the next row of the same symbol.
    times, places = np.unique(dataset.times[rows + 1], return_inverse=True)
    first_time, last_time = int(dataset.times[rows].min()), int(times[-1])
    bars_per_year = len(times) / ((last_time - first_time) / YEAR_NS)
    symbols = len(dataset.symbol_rows)

    def follow(wanted: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Return the returns before costs and the costs at each time, and the changes."""
        held = _hold_each(dataset, rows, wanted, cost)
        returns = np.bincount(places, np.concatenate([each.returns for each in held]), len(times))
        costs = np.bincount(places, np.concatenate([each.costs for each in held]), len(times))
        changes = sum(int(each.changes.sum()) for each in held)
        return returns / symbols, costs / symbols, changes

    returns, costs, trades = follow(positions)
    hold_returns, hold_costs, _ = follow(np.ones(len(rows), np.int8))
    return BacktestReport(
        bars=len(rows),
        first_time=utc(first_time),
        last_time=utc(last_time),
        bars_per_year=bars_per_year,
        decisions=performance(returns - costs, bars_per_year=bars_per_year),
        hold=performance(hold_returns - hold_costs, bars_per_year=bars_per_year),
        trades=trades,
        exposure=float((positions != 0).mean()),
        costs=float(costs.sum()),
    )


def _hold_each(
    dataset: Dataset, rows: NDArray[np.int64], positions: NDArray[np.int8], cost: float
) -> list[HeldPositions]:
    """Follow the positions of each symbol that has rows, in the order of the rows."""
    held: list[HeldPositions] = []
    for symbol, own in dataset.symbol_rows.items():
        first, stop = np.searchsorted(rows, [own.start, own.stop])
        if first == stop:
            continue
        bars = rows[first:stop] - own.start
        close = dataset.bars[symbol].close[bars[0] : bars[-1] + 2]
        held.append(hold_positions(close, positions[first:stop], cost=cost))
    return held
