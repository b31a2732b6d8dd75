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
    def fit(
        cls, columns: Sequence[FeatureColumn], matrix: NDArray[np.float64], training_rows: NDArray[np.int64]
    ) -> Self:
        """Learn offsets and scales.

        Args:
            columns: The inputs; `zscore` takes mean and standard deviation, `minmax` minimum and range.
            matrix: float64 [rows, inputs], not scaled.
            training_rows: int64 [samples]: the rows of the training part; nothing else is looked at.
        """
        offset, scale = np.zeros(len(columns)), np.ones(len(columns))
        for index, column in enumerate(columns):
            if column.normalization == "none":
                continue
            values = matrix[training_rows, index]
            lowest, span = values.min(), np.ptp(values)
            if span == 0:
                # An input that never changes in the training part carries nothing: it becomes 0. (Its deviation, as
                # it is computed, may be a little more than that.)
                offset[index] = lowest
            elif column.normalization == "zscore":
                offset[index], scale[index] = values.mean(), values.std()
            else:
                offset[index], scale[index] = lowest, span
        return cls(offset, scale)

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale rows [samples, inputs] to float32."""
        scaled = rows - self.offset
        scaled /= self.scale
        return scaled.astype(np.float32)
