"""Keeping the best weights, and knowing when to stop."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from services.training_host.strategy.training import EarlyStopping


def copied_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the weights: `state_dict()` itself refers to the live tensors, and would follow the training."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


class BestWeights:
    """A copy of the weights at the lowest validation loss.

    Attributes:
        epoch: Where that was, from 1; 0 before any epoch had a finite loss.
        loss: The lowest validation loss.
        weights: The copy, by name; empty before.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.loss = math.inf
        self.weights: dict[str, torch.Tensor] = {}

    def offer(self, epoch: int, loss: float, model: nn.Module) -> None:
        """Copy the weights if the loss is the lowest so far (NaN never is)."""
        if loss < self.loss:
            self.take(epoch, loss, copied_weights(model))

    def take(self, epoch: int, loss: float, weights: Mapping[str, torch.Tensor]) -> None:
        """Keep these weights as the best."""
        self.epoch, self.loss, self.weights = epoch, loss, dict(weights)

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back."""
        model.load_state_dict(self.weights)


class Patience:
    """Counts epochs without a real improvement.

    Args:
        rule: Patience and least improvement; None never stops.

    Attributes:
        reference: Loss that has to be improved upon.
        waited: Epochs since it was.
    """

    def __init__(self, rule: EarlyStopping | None) -> None:
        self._rule = rule
        self.reference = math.inf
        self.waited = 0

    def count(self, loss: float) -> None:
        """Count an epoch with its validation loss (NaN never improves)."""
        least = 0.0 if self._rule is None else self._rule.min_delta
        if loss < self.reference - least:
            self.reference, self.waited = loss, 0
        else:
            self.waited += 1

    @property
    def exhausted(self) -> bool:
        """It is time to stop."""
        return self._rule is not None and self.waited >= self._rule.patience
