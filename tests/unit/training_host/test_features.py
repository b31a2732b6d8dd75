"""Inputs of the network: order, values, scaling, and no look-ahead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.series import Bars
from services.training_host.features.column import FeatureColumn, feature_columns
from services.training_host.features.matrix import feature_matrix, usable_rows
from services.training_host.features.scaler import Scaler
from services.training_host.indicators.calculation import calculate_all
from services.training_host.strategy.check import load_strategy
from tests.support.trainings import random_bars, reference_text, with_later_bars_scaled

STRATEGY = load_strategy(reference_text())
BARS = random_bars(260, seed=3)


def matrix_of(bars: Bars) -> np.ndarray:
    return feature_matrix(feature_columns(STRATEGY), calculate_all(STRATEGY.indicators, bars))


def test_inputs_come_in_the_order_of_the_strategy() -> None:
    names = [column.name for column in feature_columns(STRATEGY)]
    assert names == [
        "momentum.oversold", "momentum.neutral", "momentum.overbought", "trend.down", "trend.flat", "trend.up",
        "band.low", "band.high", "natr_14",
    ]  # fmt: skip


def test_raw_inputs_are_the_indicator_and_memberships_lie_in_their_range() -> None:
    matrix = matrix_of(BARS)
    np.testing.assert_array_equal(matrix[:, 8], calculate_all(STRATEGY.indicators, BARS)["natr_14"])
    memberships = matrix[30:, :8]
    assert ((memberships >= 0) & (memberships <= 1)).all()
    assert (memberships.max(axis=0) > 0).all()


@given(st.integers(0, 259), st.floats(0.01, 100))
@settings(max_examples=40, deadline=None)
def test_a_change_of_later_bars_changes_no_earlier_input(last: int, factor: float) -> None:
    later = with_later_bars_scaled(BARS, last, factor)
    np.testing.assert_array_equal(matrix_of(BARS)[: last + 1], matrix_of(later)[: last + 1])


def test_rows_are_usable_past_the_warm_up_where_all_inputs_are_numbers() -> None:
    matrix = np.array([[1.0, 1.0], [1.0, np.nan], [1.0, 1.0], [np.inf, 1.0], [1.0, 1.0]])
    assert usable_rows(matrix, 1).tolist() == [False, False, True, False, True]
    assert usable_rows(matrix, 3).tolist() == [False, False, False, False, True]


def column(normalization: str) -> FeatureColumn:
    return FeatureColumn("x", "x", None, normalization)


def test_scaling_by_hand() -> None:
    rows = np.array([[2.0, 2.0, 2.0], [4.0, 4.0, 4.0], [6.0, 6.0, 6.0]])
    scaled = Scaler.fit([column("none"), column("zscore"), column("minmax")], rows).apply(rows)
    assert scaled.dtype == np.float32
    assert scaled[:, 0].tolist() == [2, 4, 6]
    assert scaled[:, 1] == pytest.approx([-1.2247449, 0, 1.2247449])
    assert scaled[:, 2].tolist() == [0, 0.5, 1]


def test_an_input_that_never_changes_becomes_zero() -> None:
    rows = np.full((3, 2), 7.0)
    assert Scaler.fit([column("zscore"), column("minmax")], rows).apply(rows).tolist() == [[0, 0]] * 3
