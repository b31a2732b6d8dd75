"""Positions in several symbols, beside holding: by hand, and for those who know everything or nothing."""

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from services.training_host.backtest.calculation import backtest
from services.training_host.backtest.report import BacktestReport
from services.training_host.backtest.span import decision_rows, span_rows
from services.training_host.bars.series import Bars
from services.training_host.dataset import Dataset, Fold
from services.training_host.features.scaler import Scaler
from services.training_host.labels.series import LabelSeries
from services.training_host.split.chronological import Split
from services.training_host.strategy.check import load_strategy
from tests.support.small_models import SMALL_TEXT
from tests.support.trainings import DAY_NS

NOTHING = np.empty(0, np.int64)
COST = 0.01


def bars_of(symbol: str, days: list[int], closes: list[float]) -> Bars:
    close = np.array(closes)
    return Bars(symbol, "1d", np.array(days) * DAY_NS, close, close, close, close, np.ones(len(closes)))


def fold(number: int, *test_rows: int) -> Fold:
    split = Split(NOTHING, NOTHING, np.array(test_rows), NOTHING)
    return Fold(number, split, Scaler(np.zeros(1), np.ones(1)), 1.0)


def dataset(*symbols: Bars, folds: list[Fold], no_inputs: tuple[int, ...] = ()) -> Dataset:
    ends = np.cumsum([len(bars) for bars in symbols])
    times = np.concatenate([bars.times for bars in symbols])
    has_inputs = ~np.isin(np.arange(len(times)), no_inputs)
    unlabelled = np.full(len(times), -1)
    return Dataset(
        strategy=load_strategy(SMALL_TEXT),
        bars={bars.symbol: bars for bars in symbols},
        symbol_rows={bars.symbol: slice(end - len(bars), end) for bars, end in zip(symbols, ends, strict=True)},
        times=times,
        close_times=times + DAY_NS,
        columns=[],
        matrix=np.zeros((len(times), 1)),
        has_inputs=has_inputs,
        labels=LabelSeries(unlabelled, np.full(len(times), np.nan), unlabelled, unlabelled),
        sequence_length=1,
        folds=folds,
    )


def follow(data: Dataset, positions: list[int] | NDArray[np.int8], *, cost: float = COST) -> BacktestReport:
    return backtest(data, span_rows(data, data.folds[0]), np.array(positions, np.int8), cost=cost)


def test_one_symbol_by_hand() -> None:
    data = dataset(bars_of("AAA", [0, 1, 2, 3, 4], [80, 100, 110, 99, 99]), folds=[fold(1, 1, 2)])
    report = follow(data, [1, -1, 0])
    assert report.bars == 3
    assert report.first_time == datetime(1970, 1, 2, tzinfo=UTC)
    assert report.last_time == datetime(1970, 1, 5, tzinfo=UTC)
    assert report.bars_per_year == pytest.approx(365.25)
    # Entered, turned (twice the capital), left.
    assert report.costs == pytest.approx(4 * COST)
    assert report.decisions.total_return == pytest.approx(0.1 + 0.1 - 4 * COST)
    assert report.trades == 3
    assert report.exposure == pytest.approx(2 / 3)
    returns = [0.1 - COST, 0.1 - 2 * COST, -COST]
    mean = sum(returns) / 3
    deviation = (sum((each - mean) ** 2 for each in returns) / 2) ** 0.5
    assert report.decisions.sharpe_ratio == pytest.approx(mean / deviation * 365.25**0.5)
    assert report.decisions.max_drawdown == pytest.approx(COST)
    # Holding: entered at 100, left at 99, on constant capital.
    assert report.hold.total_return == pytest.approx(0.1 - 0.1 + 0 - 2 * COST)
    assert report.hold.max_drawdown == pytest.approx(0.1 + COST)


def test_symbols_share_the_capital_and_their_bars_the_time() -> None:
    # The second symbol has no bar on day 2.
    data = dataset(
        bars_of("AAA", [0, 1, 2, 3], [100, 110, 121, 121]),
        bars_of("BBB", [0, 1, 3], [50, 40, 50]),
        folds=[fold(1, 0, 4)],
    )
    assert span_rows(data, data.folds[0]).tolist() == [0, 1, 2, 4, 5]
    report = follow(data, [1, 1, 0, -1, -1], cost=0.0)
    assert report.bars == 5
    assert report.decisions.total_return == pytest.approx((0.1 + 0.1 + 0.2 - 0.25) / 2)
    # Day 1: +0.1 and +0.2; day 2: +0.1; day 3: 0 and -0.25.
    assert report.decisions.max_drawdown == pytest.approx(0.125)
    assert report.hold.total_return == pytest.approx((0.1 + 0.1 - 0.2 + 0.25) / 2)
    assert report.exposure == pytest.approx(4 / 5)
    assert report.bars_per_year == pytest.approx(365.25)


def test_a_symbol_whose_bars_ended_before_the_test_leaves_its_capital_idle() -> None:
    data = dataset(bars_of("OLD", [0, 1], [10, 20]), bars_of("NEW", [2, 3], [100, 150]), folds=[fold(1, 2)])
    assert follow(data, [1], cost=0.0).decisions.total_return == pytest.approx(0.25)


def test_no_decision_brings_and_costs_nothing() -> None:
    data = dataset(bars_of("AAA", [0, 1, 2], [100, 110, 99]), folds=[fold(1, 0)])
    report = follow(data, [0, 0])
    assert (report.decisions.total_return, report.costs, report.trades, report.exposure) == (0, 0, 0, 0)
    assert (report.decisions.sharpe_ratio, report.decisions.max_drawdown) == (None, 0)


def test_the_span_goes_to_the_end_and_decides_only_where_there_are_inputs() -> None:
    data = dataset(bars_of("AAA", list(range(7)), [100.0] * 7), folds=[fold(1, 2, 3)], no_inputs=(4,))
    # The last bar is followed by nothing.
    assert span_rows(data, data.folds[0]).tolist() == [2, 3, 4, 5]
    assert decision_rows(data, data.folds[0]).tolist() == [2, 3, 5]


def test_spans_of_folds_follow_each_other_without_gap_or_overlap() -> None:
    symbols = (bars_of("AAA", list(range(8)), [100.0] * 8), bars_of("BBB", list(range(8)), [100.0] * 8))
    # Two bars between the last test sample of the first fold and the first of the second are embargoed.
    data = dataset(*symbols, folds=[fold(1, 1, 9, 2), fold(2, 5, 13, 14)])
    assert span_rows(data, data.folds[0]).tolist() == [1, 2, 3, 4, 9, 10, 11, 12]
    assert span_rows(data, data.folds[1]).tolist() == [5, 6, 13, 14]


def random_walk(seed: int, count: int = 400) -> Bars:
    closes = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count)))
    return bars_of("AAA", list(range(count)), closes.tolist())


def test_who_knows_the_next_close_earns_every_move() -> None:
    data = dataset(random_walk(3), folds=[fold(1, 0)])
    close = data.bars["AAA"].close
    returns = close[1:] / close[:-1] - 1
    report = follow(data, np.sign(returns).astype(np.int8), cost=0.0)
    assert report.decisions.total_return == pytest.approx(np.abs(returns).sum())
    assert report.decisions.max_drawdown == 0
    # Who knows it one bar too late does not.
    late = follow(data, np.sign(np.roll(returns, 1)).astype(np.int8), cost=0.0)
    assert late.decisions.total_return < 0.2 * report.decisions.total_return


def test_who_knows_nothing_earns_nothing_but_the_costs() -> None:
    data = dataset(random_walk(4), folds=[fold(1, 0)])
    random = np.random.default_rng(9)
    reports = [follow(data, random.integers(-1, 2, 399).astype(np.int8), cost=0.0005) for _ in range(200)]
    before_costs = np.array([report.decisions.total_return + report.costs for report in reports])
    error = before_costs.std(ddof=1) / len(reports) ** 0.5
    assert abs(before_costs.mean()) < 4 * error
    # A change is 0, 1 or 2 units with the chances 1/3, 4/9 and 2/9, at each of 398 bars, and 2/3 at either end.
    expected = 0.0005 * (398 * (4 / 9 + 2 * 2 / 9) + 2 * 2 / 3)
    assert np.mean([report.costs for report in reports]) == pytest.approx(expected, rel=0.01)
