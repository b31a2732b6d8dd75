"""Values of the network's inputs over bars."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.training_host.features.column import FeatureColumn
from services.training_host.fuzzy.function import membership


def feature_matrix(
    columns: Sequence[FeatureColumn], indicators: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Compute the inputs, not yet scaled.

    Each row depends on the bars up to its own only.

    Args:
        columns: The inputs, in order.
        indicators: Values by reference, each [bars].

    Returns:
        float64 [bars, inputs]; NaN during the indicators' warm-up.
    """
    parts = [
        indicators[column.source]
        if column.membership is None
        else membership(column.membership, indicators[column.source])
        for column in columns
    ]
    return np.column_stack(parts)


def usable_rows(matrix: NDArray[np.float64], warm_up_bars: int) -> NDArray[np.bool_]:
    """Tell for each bar whether its inputs can be trained on: past the warm-up, and all of them finite."""
    usable = np.asarray(np.isfinite(matrix).all(axis=1))
    usable[:warm_up_bars] = False
    return usable
