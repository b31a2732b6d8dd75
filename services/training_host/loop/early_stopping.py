"""Keeping the best weights, and knowing when to stop."""

import math

import torch
from torch import nn

from services.training_host.strategy.training import EarlyStopping


class BestWeights:
    """A copy of the weights at the lowest validation loss.

    Attributes:
        epoch: Where that was, from 1; 0 before any epoch had a finite loss.
        loss: The lowest validation loss.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.loss = math.inf
        self._weights: dict[str, torch.Tensor] = {}

    def offer(self, epoch: int, loss: float, model: nn.Module) -> None:
        """Copy the weights if the loss is the lowest so far (NaN never is)."""
        if loss < self.loss:
            self.epoch, self.loss = epoch, loss
            # state_dict() refers to the live tensors: a copy of the dict alone would follow the training.
            self._weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back."""
        model.load_state_dict(self._weights)


class Patience:
    """Counts epochs without a real improvement.

    Args:
        rule: Patience and least improvement; None never stops.
    """

    def __init__(self, rule: EarlyStopping | None) -> None:
        self._rule = rule
        self._reference = math.inf
        self._waited = 0

    def exhausted_by(self, loss: float) -> bool:
        """Count an epoch; True when it is time to stop."""
        if self._rule is None:
            return False
        if loss < self._reference - self._rule.min_delta:
            self._reference, self._waited = loss, 0
        else:
            self._waited += 1
        return self._waited >= self._rule.patience
