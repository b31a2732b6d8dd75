"""What a training makes small."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from services.training_host.strategy.loss import Focal, Huber
from services.training_host.strategy.strategy import Strategy


class Objective(Protocol):
    """A loss, as sums that add up over batches of any size, and what counts as a right answer.

    Outputs are float32 [samples, outputs] and targets int64 [samples] classes or float32 [samples] returns.

    Attributes:
        accuracy_name: What the share of right answers is called in the metrics.
    """

    accuracy_name: ClassVar[str]

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return `total` over `weight`, 0-d."""

    def total(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the losses of all samples, 0-d."""

    def weight(self, targets: torch.Tensor) -> torch.Tensor | float:
        """Return the sum of the weights of all samples."""

    def right(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return how many answers are right, int64, 0-d."""


@dataclass(frozen=True, eq=False)
class CrossEntropyObjective:
    """Cross-entropy over classes.

    Attributes:
        class_weights: float32 [classes] on the device; None weighs all the same.
    """

    accuracy_name: ClassVar[str] = "accuracy"
    class_weights: torch.Tensor | None

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean loss."""
        return functional.cross_entropy(outputs, targets, weight=self.class_weights)

    def total(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of losses."""
        return functional.cross_entropy(outputs, targets, weight=self.class_weights, reduction="sum")

    def weight(self, targets: torch.Tensor) -> torch.Tensor | float:
        """Return the sum of the weights."""
        return float(len(targets)) if self.class_weights is None else self.class_weights[targets].sum()

    def right(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Count the samples whose largest output is their class's."""
        return (outputs.argmax(dim=1) == targets).sum()


@dataclass(frozen=True, eq=False)
class FocalObjective(CrossEntropyObjective):
    """Cross-entropy times (1 - p)^gamma, p being the probability of the true class (Lin et al. 2017, equation 5).

    Attributes:
        gamma: How much less well-known samples count; with 0 it is cross-entropy.
    """

    gamma: float

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean loss."""
        return self.total(outputs, targets) / self.weight(targets)

    def total(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of losses."""
        surprise = functional.cross_entropy(outputs, targets, reduction="none")
        # 1 - p without the rounding of 1 - exp; never 0, where powers below 1 have no finite slope.
        doubt = -torch.expm1(-surprise)
        losses = surprise * doubt.clamp_min(torch.finfo(doubt.dtype).eps).pow(self.gamma)
        return (losses if self.class_weights is None else losses * self.class_weights[targets]).sum()


@dataclass(frozen=True)
class HuberObjective:
    """The Huber loss of returns (Huber 1964); an answer is right when it has the sign of the return.

    Attributes:
        delta: Error from which on the loss is linear.
    """

    accuracy_name: ClassVar[str] = "sign_accuracy"
    delta: float

    def mean(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss."""
        return functional.huber_loss(outputs.squeeze(1), targets, delta=self.delta)

    def total(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the sum of losses."""
        return functional.huber_loss(outputs.squeeze(1), targets, reduction="sum", delta=self.delta)

    def weight(self, targets: torch.Tensor) -> torch.Tensor | float:
        """Return the number of samples."""
        return float(len(targets))

    def right(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Count the samples whose output has the sign of the return."""
        return (outputs.squeeze(1).sign() == targets.sign()).sum()


def build_objective(
    strategy: Strategy, training_targets: NDArray[np.int64] | NDArray[np.float32], device: torch.device
) -> Objective:
    """Build the objective of a strategy.

    Args:
        strategy: Its loss, and its classes.
        training_targets: [samples] of the training part, whose classes are weighed by their rarity there.
        device: Where the network is.
    """
    loss = strategy.training.loss
    if isinstance(loss, Huber):
        return HuberObjective(loss.delta)
    weights = None
    if loss.class_weights == "balanced":
        weights = torch.from_numpy(balanced_weights(training_targets.astype(np.int64), strategy.outputs)).to(device)
    return FocalObjective(weights, loss.gamma) if isinstance(loss, Focal) else CrossEntropyObjective(weights)


def balanced_weights(classes: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Weigh classes by their rarity: samples / (classes · samples of the class), and 0 for a class without samples.

    Args:
        classes: int64 [samples] of the training part.
        count: Number of classes.

    Returns:
        float32 [classes].
    """
    frequency = np.bincount(classes, minlength=count)
    present = np.count_nonzero(frequency)
    weights = np.divide(len(classes), present * frequency, out=np.zeros(count), where=frequency > 0)
    narrow: NDArray[np.float32] = weights.astype(np.float32)
    return narrow
