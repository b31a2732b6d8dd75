"""Answers with classes, judged: by hand, and beside slow calculations of another kind."""

from collections import Counter
from math import isclose

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.training_host.evaluation.calibration import brier_score, expected_calibration_error
from services.training_host.evaluation.classification import evaluate_classes
from services.training_host.evaluation.report import ClassEvaluation
from services.training_host.strategy.network import ClassDecisions

NAMES = ("down", "flat", "up")
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.45, 0.45], [0.3, 0.3, 0.4]], dtype=np.float32
)
CLASSES = np.array([0, 2, 2, 2, 0])


def evaluate(probabilities: NDArray[np.float32], classes: NDArray[np.int64], threshold: float = 0.6) -> ClassEvaluation:
    decisions = ClassDecisions(output_format="classification", confidence_threshold=threshold)
    return evaluate_classes(probabilities, classes, names=NAMES[: probabilities.shape[1]], decisions=decisions)


def test_an_evaluation_by_hand() -> None:
    # Answers: down, down, up, flat (the first of equals), up; right are the first and the third.
    found = evaluate(PROBABILITIES, CLASSES)
    assert (found.samples, found.accuracy) == (5, 0.4)
    assert (found.majority_class, found.majority_accuracy) == ("up", 0.6)
    assert found.confusion == ((1, 0, 1), (0, 0, 0), (1, 1, 1))
    down, flat, up = found.classes
    assert (down.name, down.samples, down.precision, down.recall, down.f1) == ("down", 2, 0.5, 0.5, 0.5)
    assert (flat.name, flat.samples, flat.precision, flat.recall, flat.f1) == ("flat", 0, 0.0, 0.0, 0.0)
    assert (up.name, up.samples, up.precision) == ("up", 3, 0.5)
    assert up.recall == pytest.approx(1 / 3)
    assert up.f1 == pytest.approx(0.4)
    # "flat" has no samples: there is nothing to recall.
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 1 / 3) / 2)
    # 0.6 as the network has it (float32) reaches a threshold of 0.6.
    assert found.decided == 0.6
    assert found.decided_accuracy == pytest.approx(2 / 3)


def test_calibration_by_hand() -> None:
    # Confidences: 0.8 right; 0.6 wrong and 0.6 right in one range; 0.45 wrong; 0.4 wrong, in the range that 0.4 ends.
    exact = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.45, 0.45], [0.3, 0.3, 0.4]])
    by_range = [abs(1 - 0.8), abs(1 - 1.2), abs(0 - 0.45), abs(0 - 0.4)]
    assert expected_calibration_error(exact, CLASSES) == pytest.approx(sum(by_range) / 5)


def test_the_brier_score_by_hand() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.7, 0.3]])
    assert brier_score(probabilities, np.array([0, 0, 1, 0])) == pytest.approx((0 + 2 + 0.5 + 0.18) / 4)


def test_nothing_decided_has_no_accuracy() -> None:
    found = evaluate(PROBABILITIES, CLASSES, threshold=0.9)
    assert (found.decided, found.decided_accuracy) == (0.0, None)


def test_always_the_same_answer_scores_the_majority_and_one_share_balanced() -> None:
    certain = np.tile(np.array([0, 0, 1], np.float32), (7, 1))
    found = evaluate(certain, np.array([0, 0, 1, 2, 2, 2, 2]))
    assert found.accuracy == found.majority_accuracy == pytest.approx(4 / 7)
    assert found.balanced_accuracy == pytest.approx(1 / 3)


answers = st.integers(2, 3).flatmap(
    lambda count: st.lists(
        st.tuples(st.lists(st.integers(0, 20), min_size=count, max_size=count).filter(any), st.integers(0, count - 1)),
        min_size=1,
        max_size=40,
    )
)


@settings(max_examples=40, deadline=None)
@given(answers=answers)
def test_evaluations_agree_with_counting_one_by_one(answers: list[tuple[list[int], int]]) -> None:
    probabilities = np.array([[weight / sum(weights) for weight in weights] for weights, _ in answers], np.float32)
    classes = np.array([truth for _, truth in answers])
    found = evaluate(probabilities, classes, threshold=0.5)

    rows = [[float(chance) for chance in row] for row in probabilities]
    told = [row.index(max(row)) for row in rows]
    truths = [truth for _, truth in answers]
    pairs = Counter(zip(truths, told, strict=True))
    count = len(rows[0])
    assert found.confusion == tuple(tuple(pairs[truth, answer] for answer in range(count)) for truth in range(count))
    right = [truth == answer for truth, answer in zip(truths, told, strict=True)]
    assert isclose(found.accuracy, sum(right) / len(right))
    assert isclose(found.majority_accuracy, max(Counter(truths).values()) / len(truths))
    recalls = [pairs[each, each] / truths.count(each) for each in sorted(set(truths))]
    assert isclose(found.balanced_accuracy, sum(recalls) / len(recalls))
    assert isclose(found.brier_score, slow_brier(rows, truths), abs_tol=1e-6)
    assert isclose(found.calibration_error, slow_calibration_error(rows, right), abs_tol=1e-6)
    decided = [max(row) >= 0.5 for row in rows]
    assert isclose(found.decided, sum(decided) / len(decided))
    for index, score in enumerate(found.classes):
        precision, recall = slow_precision_and_recall(pairs, index)
        assert (score.precision, score.recall) == (precision, recall)
        assert isclose(score.f1, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def slow_precision_and_recall(pairs: Counter[tuple[int, int]], index: int) -> tuple[float, float]:
    found = pairs[index, index]
    answered = sum(number for (_, answer), number in pairs.items() if answer == index)
    samples = sum(number for (truth, _), number in pairs.items() if truth == index)
    return found / answered if answered else 0.0, found / samples if samples else 0.0


def slow_brier(rows: list[list[float]], truths: list[int]) -> float:
    total = sum(
        (chance - (index == truth)) ** 2
        for row, truth in zip(rows, truths, strict=True)
        for index, chance in enumerate(row)
    )
    return total / len(rows)


def slow_calibration_error(rows: list[list[float]], right: list[bool]) -> float:
    error = 0.0
    for tenth in range(10):
        inside = [
            (max(row), good) for row, good in zip(rows, right, strict=True) if tenth / 10 < max(row) <= (tenth + 1) / 10
        ]
        if inside:
            confidence = sum(sure for sure, _ in inside) / len(inside)
            accuracy = sum(good for _, good in inside) / len(inside)
            error += len(inside) / len(rows) * abs(accuracy - confidence)
    return error
