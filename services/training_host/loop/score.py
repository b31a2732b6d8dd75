"""How a network does on samples, added up without waiting for the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from services.training_host.loop.objective import Objective
from services.training_host.loop.samples import Samples
from services.training_host.progress import Progress

SETTLED_SAMPLES = 2**16
"""Outputs that wait to be scored in one go; to score each batch by itself costs a small network a tenth of its time."""
EVALUATION_VALUES = 2**22
"""Input values that are evaluated at once, which bounds the memory for activations."""
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
        self._settled_batches = max(1, SETTLED_SAMPLES // batch_size)
        self._loss = _zero(device)
        self._weight = _zero(device)
        self._right = torch.zeros((), dtype=torch.int64, device=device)
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
        return Score(float(self._loss / self._weight), float(self._right) / self._samples)

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Return what restore needs: tensors, and JSON values."""
        tensors = {"loss": self._loss, "weight": self._weight, "right": self._right}
        if self._outputs:
            # Not scored before its time: sums of floats depend on where they are cut.
            tensors |= {"outputs": torch.cat(self._outputs), "targets": torch.cat(self._targets)}
        return tensors, {"samples": self._samples, "waiting": self._waiting}

    def restore(self, tensors: Mapping[str, torch.Tensor], document: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: It is not such a state.
        """
        device = self._loss.device
        self._loss.copy_(tensors["loss"])
        self._weight.copy_(tensors["weight"])
        self._right.copy_(tensors["right"])
        self._samples, self._waiting = int(document["samples"]), int(document["waiting"])
        self._outputs = [tensors["outputs"].to(device)] if self._waiting else []
        self._targets = [tensors["targets"].to(device)] if self._waiting else []

    def _settle(self) -> None:
        if not self._outputs:
            return
        with torch.no_grad():
            outputs, targets = torch.cat(self._outputs), torch.cat(self._targets)
            self._loss += self._objective.total(outputs, targets)
            self._weight += self._objective.weight(targets)
            self._right += self._objective.right(outputs, targets)
        self._samples += len(outputs)
        self._outputs, self._targets, self._waiting = [], [], 0


def evaluation_size(samples: Samples) -> int:
    """Return how many samples to evaluate at once."""
    values = samples.sequence_length * max(samples.inputs.shape[1], 1)
    return max(1, min(EVALUATION_SAMPLES, EVALUATION_VALUES // values))


def evaluate(model: nn.Module, samples: Samples, objective: Objective, progress: Progress) -> Score:
    """Score a network as it is, without dropout.

    Raises:
        ktrdr_bridge.Cancelled: A stop was asked for; nothing has changed.
    """
    size = evaluation_size(samples)
    sums = ScoreSums(objective, samples.inputs.device, size)
    model.eval()
    with torch.inference_mode():
        everything = torch.arange(len(samples), device=samples.inputs.device)
        for inputs, targets in samples.batches(everything, size):
            progress.raise_if_cancelled()
            sums.add(model(inputs), targets)
        return sums.score()


def _zero(device: torch.device) -> torch.Tensor:
    # Millions of samples add up without loss; Apple's GPUs have single precision only.
    return torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
