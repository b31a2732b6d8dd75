"""Whether probabilities mean what they say."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_RANGES: Final = 10


def expected_calibration_error(probabilities: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the distance between confidence and accuracy, 0 to 1 (Naeini et al. 2015; Guo et al. 2017, equation 3).

    The confidence of an answer is its probability. Answers are put into ten equal ranges of confidence, (0, 0.1],
    (0.1, 0.2] and so on; in each, the mean confidence is compared with the share of right answers, and the distances
    are averaged by the answers in each.

    Args:
        probabilities: float64 [samples, classes], at least one sample.
        classes: int64 [samples]: the true ones.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == classes
    borders = np.arange(1, CONFIDENCE_RANGES) / CONFIDENCE_RANGES
    ranges = np.digitize(confidence, borders, right=True)
    # samples · |accuracy - mean confidence| of a range is |sum of (right - confidence)|.
    distances = np.abs(np.bincount(ranges, weights=right - confidence, minlength=CONFIDENCE_RANGES))
    return float(distances.sum() / len(classes))


def brier_score(probabilities: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the mean squared distance between probabilities and truth, summed over classes: 0 to 2 (Brier 1950).

    Args:
        probabilities: float64 [samples, classes], at least one sample.
        classes: int64 [samples]: the true ones.
    """
    truth = np.eye(probabilities.shape[1])[classes]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())
