"""Positions in one symbol, followed from close to close."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.backtest.performance import performance
from services.training_host.backtest.position import hold_positions

COST = 0.001


def positions(*values: int) -> np.ndarray:
    return np.array(values, np.int8)


def test_a_position_earns_the_next_return_and_pays_for_entering_and_leaving() -> None:
    close = np.array([100.0, 110.0, 99.0, 99.0])
    held = hold_positions(close, positions(1, 0, 0), cost=COST)
    assert held.returns == pytest.approx([0.1, 0, 0])
    assert held.costs == pytest.approx([COST, COST, 0])
    assert held.changes.tolist() == [True, True, False, False]


def test_a_short_position_earns_what_the_price_loses() -> None:
    held = hold_positions(np.array([100.0, 110.0, 99.0]), positions(0, -1), cost=COST)
    assert held.returns == pytest.approx([0, 0.1])
    # Entered at the second close, and left at the last one.
    assert held.costs == pytest.approx([0, 2 * COST])
    assert held.changes.tolist() == [False, True, True]


def test_turning_trades_twice_the_capital() -> None:
    held = hold_positions(np.full(4, 50.0), positions(1, -1, -1), cost=COST)
    assert held.costs == pytest.approx([COST, 2 * COST, COST])
    assert held.changes.tolist() == [True, True, False, True]


def test_gains_are_not_reinvested() -> None:
    held = hold_positions(np.array([100.0, 150.0, 225.0]), positions(1, 1), cost=0.0)
    assert held.returns.sum() == pytest.approx(0.5 + 0.5)


moves = st.lists(st.tuples(st.integers(50, 200), st.integers(-1, 1)), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(moves=moves)
def test_following_agrees_with_trading_bar_by_bar(moves: list[tuple[int, int]]) -> None:
    closes = [100, *(price for price, _ in moves)]
    wanted = [position for _, position in moves]
    held = hold_positions(np.array(closes, float), positions(*wanted), cost=COST)

    gained, paid, trades, position = 0.0, 0.0, 0, 0
    for (before, after), target in zip(pairwise(closes), wanted, strict=True):
        paid += abs(target - position) * COST
        trades += target != position
        position = target
        gained += position * (after - before) / before
    paid += abs(position) * COST
    trades += position != 0
    assert held.returns.sum() == pytest.approx(gained)
    assert held.costs.sum() == pytest.approx(paid)
    assert held.changes.sum() == trades


@settings(max_examples=40, deadline=None)
@given(moves=moves, later=st.integers(1, 30))
def test_later_closes_and_decisions_change_nothing_before(moves: list[tuple[int, int]], later: int) -> None:
    closes = np.array([100.0, *(price for price, _ in moves)])
    wanted = positions(*(position for _, position in moves))
    changed_closes, changed_wanted = closes.copy(), wanted.copy()
    changed_closes[later:] *= 1.5
    changed_wanted[later:] = 1
    before = hold_positions(closes, wanted, cost=COST)
    after = hold_positions(changed_closes, changed_wanted, cost=COST)
    # The bar that ends with the first changed close is the first that may differ; its cost is paid at its beginning,
    # but for leaving at the very end.
    known = min(later - 1, len(wanted) - 1)
    assert after.returns[:known].tolist() == before.returns[:known].tolist()
    assert after.costs[:known].tolist() == before.costs[:known].tolist()


def test_performance_by_hand() -> None:
    found = performance(np.array([0.02, -0.01, -0.03, 0.04]), bars_per_year=252)
    assert found.total_return == pytest.approx(0.02)
    # Highest 0.02 after the first bar, lowest -0.02 after the third.
    assert found.max_drawdown == pytest.approx(0.04)
    deviation = (sum((each - 0.005) ** 2 for each in (0.02, -0.01, -0.03, 0.04)) / 3) ** 0.5
    assert found.sharpe_ratio == pytest.approx(0.005 / deviation * 252**0.5)


def test_a_fall_at_once_is_a_drawdown_from_the_beginning() -> None:
    assert performance(np.array([-0.25, 0.5]), bars_per_year=252).max_drawdown == 0.25


@pytest.mark.parametrize("returns", [[0.0, 0.0, 0.0], [0.1, 0.1, 0.1], [0.2]])
def test_returns_that_do_not_vary_have_no_sharpe_ratio(returns: list[float]) -> None:
    assert performance(np.array(returns), bars_per_year=252).sharpe_ratio is None
