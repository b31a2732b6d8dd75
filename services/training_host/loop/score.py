"""How a network does on samples, added up without waiting for the device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from services.training_host.loop.objective import Objective
from services.training_host.loop.samples import Samples
from services.training_host.progress import Progress

SETTLED_SAMPLES = 2**16
"""Outputs that wait to be scored in one go: to score each batch by itself makes a small network's epoch 15 % longer."""
EVALUATION_VALUES = 2**22
"""Most values that the widest place of a network has at once, which bounds the memory for activations: 16 MiB."""
EVALUATION_SAMPLES = 2**14
"""Most samples that are evaluated at once."""


@dataclass(frozen=True)
class Score:
    """How a network does on some samples.

    Attributes:
        loss: The objective's, averaged by weight.
        accuracy: Share of right answers, 0 to 1.
    """

    loss: float
    accuracy: float


class ScoreSums:
    """Totals over batches, which stay on the device until they are asked for.

    Args:
        objective: What is added up.
        device: Where the outputs are.
        batch_size: Samples of a batch.
    """

    def __init__(self, objective: Objective, device: torch.device, batch_size: int) -> None:
        self._objective = objective
        self._device = device
        # Millions of samples add up without loss; Apple's GPUs have single precision only.
        self._precision = torch.float32 if device.type == "mps" else torch.float64
        self._settled_batches = max(1, SETTLED_SAMPLES // batch_size)
        # Plain numbers until there is something to add: to make tensors of them takes time in each epoch.
        self._loss: torch.Tensor | float = 0.0
        self._weight: torch.Tensor | float = 0.0
        self._right: torch.Tensor | int = 0
        self._samples = 0
        self._outputs: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._waiting = 0

    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Add a batch: outputs as the network gave them."""
        self._outputs.append(outputs.detach())
        self._targets.append(targets)
        self._waiting += 1
        if self._waiting == self._settled_batches:
            self._settle()

    def score(self) -> Score:
        """Return the score of all batches; waits for the device."""
        self._settle()
        weight = float(self._weight)
        return Score(float(self._loss) / weight if weight else math.nan, int(self._right) / self._samples)

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return what restore needs: tensors, and JSON values."""
        tensors = {
            "loss": torch.as_tensor(self._loss, dtype=self._precision),
            "weight": torch.as_tensor(self._weight, dtype=self._precision),
            "right": torch.as_tensor(self._right),
        }
        if self._outputs:
            # Not scored before its time: sums of floats depend on where they are cut.
            tensors |= {"outputs": torch.cat(self._outputs), "targets": torch.cat(self._targets)}
        return tensors, {"samples": self._samples, "waiting": self._waiting}

    def restore(self, tensors: Mapping[str, torch.Tensor], document: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: It is not such a state.
        """
        self._loss = tensors["loss"].to(self._device, self._precision)
        self._weight = tensors["weight"].to(self._device, self._precision)
        self._right = tensors["right"].to(self._device)
        self._samples, self._waiting = int(document["samples"]), int(document["waiting"])
        self._outputs = [tensors["outputs"].to(self._device)] if self._waiting else []
        self._targets = [tensors["targets"].to(self._device)] if self._waiting else []

    def _settle(self) -> None:
        if not self._outputs:
            return
        with torch.no_grad():
            outputs, targets = _joined(self._outputs), _joined(self._targets)
            self._loss = self._loss + self._objective.total(outputs, targets).to(self._precision)
            self._weight = self._weight + self._wide(self._objective.weight(targets))
            self._right = self._right + self._objective.right(outputs, targets)
        self._samples += len(outputs)
        self._outputs, self._targets, self._waiting = [], [], 0

    def _wide(self, weight: torch.Tensor | float) -> torch.Tensor | float:
        return weight.to(self._precision) if isinstance(weight, torch.Tensor) else weight


def evaluation_size(model: nn.Module, sequence_length: int) -> int:
    """Return how many samples to evaluate at once.

    Args:
        model: The network.
        sequence_length: Rows that a sample reads.
    """
    # A matrix of weights is as long as what comes out (of recurrent layers: all gates), and as wide as what goes in.
    widest = max(size for weights in model.parameters() for size in weights.shape)
    return max(1, min(EVALUATION_SAMPLES, EVALUATION_VALUES // (sequence_length * widest)))


def evaluate(model: nn.Module, samples: Samples, objective: Objective, progress: Progress) -> Score:
    """Score a network as it is, without dropout.

    Raises:
        ktrdr_bridge.Cancelled: A stop was asked for; nothing has changed.
    """
    size = evaluation_size(model, samples.sequence_length)
    sums = ScoreSums(objective, samples.inputs.device, size)
    model.eval()
    with torch.inference_mode():
        everything = torch.arange(len(samples), device=samples.inputs.device)
        for inputs, targets in samples.batches(everything, size):
            progress.raise_if_cancelled()
            sums.add(model(inputs), targets)
        return sums.score()


def _joined(batches: list[torch.Tensor]) -> torch.Tensor:
    return batches[0] if len(batches) == 1 else torch.cat(batches)
