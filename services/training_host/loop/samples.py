"""Samples as tensors on the device."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and classes of one part.

    Attributes:
        inputs: float32 [samples, inputs].
        classes: int64 [samples].
    """

    inputs: torch.Tensor
    classes: torch.Tensor

    @classmethod
    def on_device(cls, inputs: NDArray[np.float32], classes: NDArray[np.int64], device: torch.device) -> "Samples":
        """Copy a part to the device once, so that no batch has to travel."""
        return cls(torch.from_numpy(inputs).to(device), torch.from_numpy(classes).to(device))

    def __len__(self) -> int:
        return len(self.classes)


def class_weights(classes: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Weigh classes by their rarity: samples / (classes · samples of the class), and 0 for a class without samples.

    Args:
        classes: int64 [samples] of the training part.
        count: Number of classes.
    """
    frequency = np.bincount(classes, minlength=count)
    present = np.count_nonzero(frequency)
    weights = np.divide(len(classes), present * frequency, out=np.zeros(count), where=frequency > 0)
    narrow: NDArray[np.float32] = weights.astype(np.float32)
    return narrow
