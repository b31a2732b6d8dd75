"""Which answers are decisions, and the positions that follow from them."""

import numpy as np
from numpy.typing import NDArray

from services.training_host.strategy.network import ClassDecisions, Decisions

_DIRECTIONS = {"down": -1, "flat": 0, "up": 1}
"""Position of each class."""


def decided(predictions: NDArray[np.float32], decisions: Decisions) -> NDArray[np.bool_]:
    """Tell which answers reach the strategy's threshold.

    Thresholds are compared in the precision of the answers: a probability of 0.55 reaches a threshold of 0.55. An
    expected return of exactly 0 decides nothing.

    Args:
        predictions: float32 [samples, classes] probabilities, or [samples, 1] expected returns.
        decisions: The strategy's.
    """
    if isinstance(decisions, ClassDecisions):
        return np.asarray(predictions.max(axis=1) >= np.float32(decisions.confidence_threshold))
    sizes = np.abs(predictions[:, 0])
    return np.asarray((sizes >= np.float32(decisions.return_threshold)) & (sizes > 0))


def directions(
    predictions: NDArray[np.float32], decisions: Decisions, *, classes: tuple[str, ...], short: bool
) -> NDArray[np.int8]:
    """Return the position that each answer asks for: 1 long, -1 short, 0 none.

    An answer that is no decision asks for none, and so does the class `flat`.

    Args:
        predictions: float32 [samples, classes] probabilities, or [samples, 1] expected returns.
        decisions: The strategy's.
        classes: Names of the classes, in the order of the network's outputs; none for a regression.
        short: Decisions to be short are followed; otherwise they ask for no position.
    """
    if classes:
        by_class = np.array([_DIRECTIONS[name] for name in classes], np.int8)
        wanted = by_class[predictions.argmax(axis=1)]
    else:
        wanted = np.sign(predictions[:, 0]).astype(np.int8)
    followed = decided(predictions, decisions)
    if not short:
        followed &= wanted >= 0
    return np.where(followed, wanted, 0).astype(np.int8)
