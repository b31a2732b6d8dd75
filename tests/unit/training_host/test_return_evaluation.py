"""Answers with returns, judged."""

from math import isclose, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.evaluation.regression import evaluate_returns
from services.training_host.evaluation.report import ReturnEvaluation
from services.training_host.strategy.network import ReturnDecisions


def evaluate(
    expected: list[float], returns: list[float], *, means: float | list[float] = 0.0, threshold: float = 0.0
) -> ReturnEvaluation:
    return evaluate_returns(
        np.array(expected, np.float32)[:, None],
        np.array(returns),
        training_mean=np.broadcast_to(np.array(means), len(returns)),
        decisions=ReturnDecisions(output_format="regression", return_threshold=threshold),
    )


def test_an_evaluation_by_hand() -> None:
    found = evaluate([0.5, -0.25, 0.125, 0.0], [0.25, -0.25, -0.125, 0.5], means=0.125, threshold=0.25)
    assert (found.samples, found.accuracy, found.majority_accuracy) == (4, 0.5, 0.5)
    assert found.mean_absolute_error == pytest.approx((0.25 + 0 + 0.25 + 0.5) / 4)
    assert found.root_mean_squared_error == pytest.approx(sqrt((0.0625 + 0 + 0.0625 + 0.25) / 4))
    explainable = 0.125**2 + 0.375**2 + 0.25**2 + 0.375**2
    assert found.r_squared == pytest.approx(1 - 0.375 / explainable)
    # The first two reach the threshold, and have the right sign.
    assert (found.decided, found.decided_accuracy) == (0.5, 1.0)


def test_an_answer_of_nothing_is_no_decision() -> None:
    found = evaluate([0.0, 0.0], [0.1, -0.1])
    assert (found.accuracy, found.decided, found.decided_accuracy) == (0.0, 0.0, None)


def test_the_training_mean_explains_nothing_and_worse_answers_less_than_that() -> None:
    assert evaluate([0.02, 0.02], [0.01, 0.05], means=float(np.float32(0.02))).r_squared == pytest.approx(0, abs=1e-12)
    worse = evaluate([-0.5, 0.5], [0.01, 0.05], means=0.02).r_squared
    assert worse is not None
    assert worse < 0


def test_equal_returns_leave_nothing_to_explain() -> None:
    assert evaluate([0.1, 0.2], [0.01, 0.01]).r_squared is None


def test_samples_of_several_folds_are_compared_with_their_own_training_mean() -> None:
    found = evaluate([0.0, 0.0], [0.25, -0.25], means=[0.5, -0.25])
    assert found.r_squared == pytest.approx(1 - 0.125 / 0.0625)


answers = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=40)


@settings(max_examples=40, deadline=None)
@given(answers=answers, mean=st.integers(-10, 10), threshold=st.integers(0, 40))
def test_evaluations_agree_with_counting_one_by_one(answers: list[tuple[int, int]], mean: int, threshold: int) -> None:
    # Multiples of 1/256 are exact in both precisions.
    expected, returns = [told / 256 for told, _ in answers], [came / 256 for _, came in answers]
    found = evaluate(expected, returns, means=mean / 256, threshold=threshold / 256)
    count = len(answers)
    same = [told * came > 0 or (told == 0 and came == 0) for told, came in answers]
    assert isclose(found.accuracy, sum(same) / count)
    rising, falling = sum(came > 0 for came in returns), sum(came < 0 for came in returns)
    assert isclose(found.majority_accuracy, max(rising, falling) / count)
    assert isclose(found.mean_absolute_error, sum(abs(a - b) for a, b in zip(expected, returns, strict=True)) / count)
    squared = sum((a - b) ** 2 for a, b in zip(expected, returns, strict=True))
    assert isclose(found.root_mean_squared_error, sqrt(squared / count))
    if len(set(returns)) == 1:
        assert found.r_squared is None
    else:
        explainable = sum((came - mean / 256) ** 2 for came in returns)
        assert found.r_squared == pytest.approx(1 - squared / explainable)
    deciding = [good for good, told in zip(same, expected, strict=True) if told and abs(told) >= threshold / 256]
    assert isclose(found.decided, len(deciding) / count)
    assert found.decided_accuracy == (pytest.approx(sum(deciding) / len(deciding)) if deciding else None)
