"""Accuracy beside the majority's, and decisions by their threshold."""

import numpy as np
import pytest

from services.training_host.evaluation import evaluate

PROBABILITIES = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]], dtype=np.float32)
CLASSES = np.array([0, 1, 1, 1])


def test_evaluation_by_hand() -> None:
    found = evaluate(PROBABILITIES, CLASSES, threshold=0.6)
    assert found.samples == 4
    assert found.accuracy == 0.75
    assert (found.majority_class, found.majority_accuracy) == (1, 0.75)
    assert found.confusion == [[1, 0], [1, 2]]
    assert found.decided == 0.75
    assert found.decided_accuracy == pytest.approx(2 / 3)


def test_nothing_decided_has_no_accuracy() -> None:
    assert evaluate(PROBABILITIES, CLASSES, threshold=0.9).decided_accuracy is None
