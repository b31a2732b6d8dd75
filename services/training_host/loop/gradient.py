"""From a batch to a step."""

from collections.abc import Mapping

import torch
from torch import nn

from services.training_host.loop.objective import Objective
from services.training_host.loop.optimizer import build_optimizer
from services.training_host.strategy.training import Training

NORMS_AT_ONCE = 4_096
"""Norms that wait to be added up in one go."""


class GradientSteps:
    """Adds up the gradients of batches and takes steps.

    Args:
        model: The network, on its device.
        objective: What is made small.
        rules: Optimizer and clipping.

    Attributes:
        optimizer: Over the network's weights.
    """

    def __init__(self, model: nn.Module, objective: Objective, rules: Training) -> None:
        self.optimizer = build_optimizer(model, rules)
        self._model = model
        self._objective = objective
        self._weights = list(model.parameters())
        self._longest = rules.gradient_clip_norm

    def forget(self) -> None:
        """Begin with no gradient."""
        for weight in self._weights:
            weight.grad = None

    def add(
        self, inputs: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor | float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the gradient of a batch.

        Args:
            inputs: Of the batch.
            targets: Of the batch.
            weight: Weight of all samples that make the step; None where the batch is all there is.

        Returns:
            The network's outputs, and the batch's part of the mean loss of the step.
        """
        outputs = self._model(inputs)
        if weight is None:
            loss = self._objective.mean(outputs, targets)
        else:
            loss = self._objective.total(outputs, targets) / weight
        torch.autograd.backward(loss)
        return outputs, loss

    def step(self) -> torch.Tensor:
        """Take a step with the gradient that was added up, and return its norm before clipping, 0-d."""
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        # What clip_grad_norm_ does, operation by operation, with all weights on one device and of one type: its
        # preparations alone take a tenth of a small network's step.
        lengths = torch.stack(torch._foreach_norm(gradients))  # noqa: SLF001 - as above
        norm: torch.Tensor = torch.linalg.vector_norm(lengths)
        if self._longest is not None:
            shrinks = torch.clamp(self._longest / (norm + 1e-6), max=1.0)
            torch._foreach_mul_(gradients, shrinks)
        self.optimizer.step()
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Return the gradients, by the number of their weight."""
        return {str(number): weight.grad for number, weight in enumerate(self._weights) if weight.grad is not None}

    def restore(self, gradients: Mapping[str, torch.Tensor]) -> None:
        """Go on with gradients.

        Raises:
            RuntimeError: They do not fit the weights.
        """
        for number, weight in enumerate(self._weights):
            gradient = gradients.get(str(number))
            weight.grad = None if gradient is None else torch.empty_like(weight).copy_(gradient.to(weight.device))


class NormSum:
    """The mean of gradient norms, which stay on the device until it is asked for.

    Args:
        device: Where they are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._sum: torch.Tensor | float = 0.0
        self._count = 0
        self._waiting: list[torch.Tensor] = []

    def add(self, norm: torch.Tensor) -> None:
        """Add a norm, 0-d."""
        self._waiting.append(norm)
        if len(self._waiting) == NORMS_AT_ONCE:
            self._settle()

    def mean(self) -> float:
        """Return the mean; waits for the device."""
        self._settle()
        return float(self._sum) / self._count

    def state(self) -> tuple[dict[str, torch.Tensor], int]:
        """Return what restore needs: tensors, and how many norms are in the sum."""
        tensors = {"norm_sum": torch.as_tensor(self._sum)}
        if self._waiting:
            tensors["norms"] = torch.stack(self._waiting)
        return tensors, self._count

    def restore(self, tensors: Mapping[str, torch.Tensor], count: int) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError: It is not such a state.
        """
        self._sum = tensors["norm_sum"].to(self._device)
        self._count = count
        self._waiting = list(tensors["norms"].to(self._device)) if "norms" in tensors else []

    def _settle(self) -> None:
        if self._waiting:
            self._sum = self._sum + torch.stack(self._waiting).sum()
            self._count += len(self._waiting)
            self._waiting = []
