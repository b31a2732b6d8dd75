"""Classes that a network answered, beside the true ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.training_host.evaluation.calibration import brier_score, expected_calibration_error
from services.training_host.evaluation.decisions import decided
from services.training_host.evaluation.report import ClassEvaluation, ClassScore
from services.training_host.strategy.network import ClassDecisions


def evaluate_classes(
    probabilities: NDArray[np.float32], classes: NDArray[np.int64], *, names: Sequence[str], decisions: ClassDecisions
) -> ClassEvaluation:
    """Compare answers with labels. The answer is the most probable class; of equals, the first.

    Args:
        probabilities: float32 [samples, classes], at least one sample.
        classes: int64 [samples]: the labels.
        names: Of the classes, in the order of the network's outputs.
        decisions: From which probability on an answer counts as a decision.
    """
    count = len(names)
    answers = probabilities.argmax(axis=1)
    confusion = np.bincount(classes * count + answers, minlength=count * count).reshape(count, count)
    frequency = confusion.sum(axis=1)
    recalls = confusion.diagonal()[frequency > 0] / frequency[frequency > 0]
    right = answers == classes
    decisive = decided(probabilities, decisions)
    exact = probabilities.astype(np.float64)
    return ClassEvaluation(
        samples=len(classes),
        accuracy=float(right.mean()),
        majority_accuracy=float(frequency.max() / len(classes)),
        decided=float(decisive.mean()),
        decided_accuracy=float(right[decisive].mean()) if decisive.any() else None,
        balanced_accuracy=float(recalls.mean()),
        majority_class=names[int(frequency.argmax())],
        classes=tuple(_score(name, confusion, index) for index, name in enumerate(names)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        calibration_error=expected_calibration_error(exact, classes),
        brier_score=brier_score(exact, classes),
    )


def _score(name: str, confusion: NDArray[np.int64], index: int) -> ClassScore:
    found = int(confusion[index, index])
    answered, samples = int(confusion[:, index].sum()), int(confusion[index].sum())
    return ClassScore(
        name=name,
        samples=samples,
        precision=found / answered if answered else 0.0,
        recall=found / samples if samples else 0.0,
        # 2 · precision · recall / (precision + recall), without its division by zero.
        f1=2 * found / (answered + samples) if answered + samples else 0.0,
    )
