"""Inputs of the network: order, values, scaling."""

import numpy as np
import pytest

from services.training_host.features.blocks import row_blocks
from services.training_host.features.column import FeatureColumn, feature_columns
from services.training_host.features.matrix import closed_bars, fill_features
from services.training_host.features.scaler import Scaler
from services.training_host.features.windows import whole_windows
from services.training_host.indicators.calculation import calculate_all
from services.training_host.strategy.check import load_strategy
from tests.support.datasets import dataset_of, random_market, small_strategy
from tests.support.trainings import random_bars, reference_text

STRATEGY = load_strategy(reference_text())
BARS = random_bars(260, seed=3)


def matrix_of(warm_up_bars: int = 0) -> np.ndarray:
    columns = feature_columns(STRATEGY)
    matrix = np.full((len(BARS), len(columns)), np.nan)
    fill_features(matrix, columns, indicators=STRATEGY.indicators, bars=BARS, base_bars=BARS, warm_up_bars=warm_up_bars)
    return matrix


def test_inputs_come_in_the_order_of_the_strategy() -> None:
    names = [column.name for column in feature_columns(STRATEGY)]
    assert names == [
        "momentum.oversold", "momentum.neutral", "momentum.overbought", "trend.down", "trend.flat", "trend.up",
        "band.low", "band.high", "natr_14",
    ]  # fmt: skip


def test_inputs_of_several_timeframes_carry_theirs() -> None:
    strategy = small_strategy(
        timeframes=["1d", "1w", "1month"],
        fuzzy_sets={"momentum": {"indicator": "rsi", "weak": [0, 20, 40], "strong": [60, 80, 100]}},
        nn_inputs=[
            {"raw_indicator": "natr", "timeframes": ["1month", "1d"], "normalization": "minmax"},
            {"fuzzy_set": "momentum", "timeframes": "all"},
        ],
    )
    columns = feature_columns(strategy)
    assert [column.name for column in columns] == [
        "natr@1d", "natr@1month", "momentum.weak@1d", "momentum.strong@1d", "momentum.weak@1w", "momentum.strong@1w",
        "momentum.weak@1month", "momentum.strong@1month",
    ]  # fmt: skip
    assert [column.timeframe for column in columns[:5]] == ["1d", "1month", "1d", "1d", "1w"]
    assert [column.normalization for column in columns[:3]] == ["minmax", "minmax", "none"]


def test_raw_inputs_are_the_indicator_and_memberships_lie_in_their_range() -> None:
    matrix = matrix_of()
    np.testing.assert_array_equal(matrix[:, 8], calculate_all(STRATEGY.indicators, BARS)["natr_14"])
    memberships = matrix[30:, :8]
    assert ((memberships >= 0) & (memberships <= 1)).all()
    assert (memberships.max(axis=0) > 0).all()


def test_what_only_feeds_the_indicators_is_not_known() -> None:
    assert np.isnan(matrix_of(100)[:100]).all()
    np.testing.assert_array_equal(matrix_of(100)[100:], matrix_of()[100:])
    assert np.isfinite(matrix_of()[99]).all()


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (1, [True, False, True, True, False, True, True, True]),
        (2, [False, False, False, True, False, False, True, True]),
        (3, [False, False, False, False, False, False, False, True]),
        (9, [False] * 8),
    ],
)
def test_a_window_needs_all_its_rows(length: int, expected: list[bool]) -> None:
    matrix = np.ones((8, 2))
    matrix[1, 0], matrix[4, 1] = np.nan, np.inf
    assert whole_windows(matrix, length).tolist() == expected
    assert whole_windows(matrix[:0], length).tolist() == []


def test_many_rows_are_worked_on_in_blocks_that_hold_each_row_once() -> None:
    assert [row for block in row_blocks(40_000) for row in range(40_000)[block]] == list(range(40_000))
    assert list(row_blocks(0)) == []
    strategy = small_strategy(timeframes=["1d", "1w"])
    market = random_market(strategy, 20_000)
    dataset = dataset_of(strategy, market)
    days, weeks = market["AAPL", "1d"], market["AAPL", "1w"]
    known = closed_bars(weeks, days)
    for timeframe, bars, index in (("1d", days, np.arange(20_000)), ("1w", weeks, known)):
        rsi = calculate_all(strategy.indicators, bars)["rsi"]
        column = [each.name for each in dataset.columns].index(f"rsi@{timeframe}")
        np.testing.assert_array_equal(dataset.matrix[100:, column], rsi[index[100:]])
    expected = dataset.folds[0].scaler.apply(dataset.matrix)
    np.testing.assert_array_equal(dataset.inputs(dataset.folds[0]), np.where(np.isfinite(expected), expected, 0))


def column(normalization: str) -> FeatureColumn:
    return FeatureColumn("x", "x", "1d", None, normalization)


def test_scaling_by_hand() -> None:
    rows = np.array([[2.0, 2.0, 2.0], [4.0, 4.0, 4.0], [6.0, 6.0, 6.0]])
    matrix = np.vstack([rows, np.full(3, 1e6)])  # the last row is not of the training part
    columns = [column("none"), column("zscore"), column("minmax")]
    scaled = Scaler.fit(columns, matrix, np.arange(3)).apply(rows)
    assert scaled.dtype == np.float32
    assert scaled[:, 0].tolist() == [2, 4, 6]
    assert scaled[:, 1] == pytest.approx([-1.2247449, 0, 1.2247449])
    assert scaled[:, 2].tolist() == [0, 0.5, 1]


def test_an_input_that_never_changes_becomes_zero() -> None:
    rows = np.full((1000, 2), 0.1)
    scaler = Scaler.fit([column("zscore"), column("minmax")], rows, np.arange(1000))
    assert not scaler.apply(rows).any()
