"""Positions that follow from answers."""

import numpy as np
import pytest

from services.training_host.evaluation.decisions import decided, directions
from services.training_host.strategy.network import ClassDecisions, ReturnDecisions

THREE = ("down", "flat", "up")
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.4, 0.3, 0.3]], np.float32)
CONFIDENT = ClassDecisions(output_format="classification", confidence_threshold=0.7)


@pytest.mark.parametrize(("short", "expected"), [(True, [-1, 0, 1, 0]), (False, [0, 0, 1, 0])])
def test_classes_ask_for_positions_where_they_reach_the_threshold(short: bool, expected: list[int]) -> None:
    found = directions(PROBABILITIES, CONFIDENT, classes=THREE, short=short)
    assert found.dtype == np.int8
    assert found.tolist() == expected


def test_a_confident_flat_is_a_decision_for_no_position() -> None:
    assert decided(PROBABILITIES, CONFIDENT).tolist() == [True, True, True, False]


def test_two_classes_have_no_flat() -> None:
    found = directions(PROBABILITIES[:, [0, 2]], CONFIDENT, classes=("down", "up"), short=True)
    assert found.tolist() == [-1, 0, 1, 0]


@pytest.mark.parametrize(("short", "expected"), [(True, [1, 1, 0, 0, -1]), (False, [1, 1, 0, 0, 0])])
def test_expected_returns_ask_for_positions_from_the_threshold_on(short: bool, expected: list[int]) -> None:
    returns = np.array([[0.02], [0.01], [0.009], [-0.009], [-0.01]], np.float32)
    decisions = ReturnDecisions(output_format="regression", return_threshold=0.01)
    assert directions(returns, decisions, classes=(), short=short).tolist() == expected


def test_without_a_threshold_every_sign_decides_and_nothing_does_not() -> None:
    returns = np.array([[1e-9], [-1e-9], [0.0]], np.float32)
    decisions = ReturnDecisions(output_format="regression", return_threshold=0.0)
    assert directions(returns, decisions, classes=(), short=True).tolist() == [1, -1, 0]
