"""Returns that a network expected, beside those that came."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.evaluation.decisions import decided
from services.training_host.evaluation.report import ReturnEvaluation
from services.training_host.strategy.network import ReturnDecisions


def evaluate_returns(
    expected: NDArray[np.float32],
    returns: NDArray[np.float64],
    *,
    training_mean: NDArray[np.float64],
    decisions: ReturnDecisions,
) -> ReturnEvaluation:
    """Compare answers with labels.

    An answer is right when it has the sign of the return.

    Args:
        expected: float32 [samples, 1]: returns as the network expects them, at least one.
        returns: float64 [samples]: the labels.
        training_mean: float64 [samples]: mean return of the training part, which R² compares with; samples of several
            folds have several.
        decisions: From which expected return on an answer counts as a decision.
    """
    answers = expected[:, 0].astype(np.float64)
    errors = answers - returns
    right = np.sign(answers) == np.sign(returns)
    decisive = decided(expected, decisions)
    squared = errors**2
    explainable = ((returns - training_mean) ** 2).sum()
    return ReturnEvaluation(
        samples=len(returns),
        accuracy=float(right.mean()),
        majority_accuracy=float(max((returns > 0).mean(), (returns < 0).mean())),
        decided=float(decisive.mean()),
        decided_accuracy=float(right[decisive].mean()) if decisive.any() else None,
        mean_absolute_error=float(np.abs(errors).mean()),
        root_mean_squared_error=float(np.sqrt(squared.mean())),
        r_squared=float(1 - squared.sum() / explainable) if np.ptp(returns) > 0 else None,
    )
