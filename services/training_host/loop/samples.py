"""Samples as tensors on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

STRETCH_VALUES = 2**18
"""Input values that are gathered in one go: 1 MiB, so that what several small batches need costs one call and stays in
the processor's caches."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one part.

    Attributes:
        inputs: float32 [rows, inputs], contiguous, on the device; all parts share it.
        rows: int64 [samples], on the device: the row of each sample's newest bar.
        targets: int64 [samples] classes, or float32 [samples] returns, on the device.
        sequence_length: Rows that a sample reads, its own included; those before it are the rows above.
    """

    inputs: torch.Tensor
    rows: torch.Tensor
    targets: torch.Tensor
    sequence_length: int = 1

    @classmethod
    def of_part(
        cls,
        inputs: torch.Tensor,
        *,
        rows: NDArray[np.int64],
        targets: NDArray[np.int64] | NDArray[np.float32],
        sequence_length: int = 1,
    ) -> "Samples":
        """Make the samples of a part.

        Args:
            inputs: float32 [rows, inputs], on the device already.
            rows: int64 [samples]: rows of the part.
            targets: Of all rows; those of the part are copied to the device.
            sequence_length: Rows that a sample reads.
        """
        device = inputs.device
        return cls(
            inputs.contiguous(),
            torch.from_numpy(rows).to(device),
            torch.from_numpy(targets[rows]).to(device),
            sequence_length,
        )

    def __len__(self) -> int:
        return len(self.targets)

    def gather(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the inputs of some samples.

        Args:
            batch: int64 [n] numbers of samples, on the device.

        Returns:
            float32 [n, inputs], or [n, sequence_length, inputs] with the oldest row first where it is more than 1.
        """
        rows = self.rows.index_select(0, batch)
        if self.sequence_length == 1:
            return self.inputs.index_select(0, rows)
        # A view in which every row begins a window, so that windows that overlap exist once in memory.
        length, width = self.sequence_length, self.inputs.shape[1]
        windows = self.inputs.as_strided((len(self.inputs) - length + 1, length, width), (width, width, 1))
        return windows.index_select(0, rows - (length - 1))

    def batches(self, order: torch.Tensor, size: int, *, first: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield inputs and targets batch by batch; the last batch may be smaller.

        Args:
            order: int64 [n] numbers of samples, on the device.
            size: Samples of a batch.
            first: Number of the batch to begin with, from 0.
        """
        values = size * self.sequence_length * max(self.inputs.shape[1], 1)
        stretch = size * max(1, STRETCH_VALUES // values)
        for start in range(first * size, len(order), stretch):
            numbers = order[start : start + stretch]
            targets = self.targets.index_select(0, numbers)
            yield from zip(torch.split(self.gather(numbers), size), torch.split(targets, size), strict=True)
