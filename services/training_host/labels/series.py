"""Labels of bars."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class LabelSeries:
    """A class for each bar that has one.

    Attributes:
        classes: int64 [bars]: index of the class, UNLABELLED where there is none.
        ends: int64 [bars]: index of the bar at whose close the label is known; UNLABELLED where there is none.
    """

    classes: NDArray[np.int64]
    ends: NDArray[np.int64]
