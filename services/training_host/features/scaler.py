"""Scaling of raw inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.training_host.features.column import FeatureColumn


@dataclass(frozen=True, eq=False)
class Scaler:
    """(value - offset) / scale for each input.

    Attributes:
        offset: float64 [inputs]; 0 for inputs that are not scaled.
        scale: float64 [inputs], never 0.
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, columns: Sequence[FeatureColumn], training_rows: NDArray[np.float64]) -> Self:
        """Learn offsets and scales.

        Args:
            columns: The inputs; `zscore` takes mean and standard deviation, `minmax` minimum and range.
            training_rows: float64 [samples, inputs] of the training part, and of nothing else.
        """
        offset, scale = np.zeros(len(columns)), np.ones(len(columns))
        for index, column in enumerate(columns):
            values = training_rows[:, index]
            if column.normalization == "zscore":
                offset[index], scale[index] = values.mean(), values.std()
            elif column.normalization == "minmax":
                offset[index], scale[index] = values.min(), np.ptp(values)
        # An input that never changes in the training part carries nothing: it becomes 0.
        scale[scale == 0] = 1.0
        return cls(offset, scale)

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale rows [samples, inputs] to float32."""
        scaled: NDArray[np.float32] = ((rows - self.offset) / self.scale).astype(np.float32)
        return scaled
