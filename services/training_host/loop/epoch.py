"""One pass over the samples."""

import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from services.training_host.loop.samples import Samples
from services.training_host.progress import Progress

EVALUATION_ROWS = 16_384
"""Rows that are evaluated at once, which bounds the memory for activations."""
REPORT_SECONDS = 0.1
"""How often the loss of a batch is read back from an accelerator: each time, the device has to be waited for."""


@dataclass(frozen=True)
class Score:
    """How a network does on some samples.

    Attributes:
        loss: Class-weighted cross-entropy, averaged by weight.
        accuracy: Share that it classified rightly, 0 to 1.
    """

    loss: float
    accuracy: float


class _Sums:
    """Totals that stay on the device until they are asked for."""

    def __init__(self, device: torch.device) -> None:
        # Millions of samples add up without loss; Apple's GPUs have single precision only.
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._loss = torch.zeros((), dtype=precision, device=device)
        self._weight = torch.zeros((), dtype=precision, device=device)
        self._right = torch.zeros((), dtype=torch.int64, device=device)
        self._samples = 0

    def add(self, loss: torch.Tensor, weight: torch.Tensor, logits: torch.Tensor, classes: torch.Tensor) -> None:
        self._loss += loss.detach()
        self._weight += weight
        self._right += (logits.argmax(dim=1) == classes).sum()
        self._samples += len(classes)

    def score(self) -> Score:
        return Score(float(self._loss / self._weight), float(self._right) / self._samples)


class EpochRunner:
    """Trains a network for one epoch at a time, and evaluates it.

    Args:
        model: The network, on its device.
        optimizer: Over its parameters.
        weights: float32 [classes] on the device.
        batch_size: Samples in one step.
        clip_norm: Longest gradient; None leaves gradients alone.
        progress: Told about each batch, and asked whether to stop.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        weights: torch.Tensor,
        *,
        batch_size: int,
        clip_norm: float | None,
        progress: Progress,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._weights = weights
        self._batch_size = batch_size
        self._clip_norm = float("inf") if clip_norm is None else clip_norm
        self._progress = progress
        self._report_seconds = 0.0 if weights.device.type == "cpu" else REPORT_SECONDS
        self._reported_at = 0.0

    def train(self, samples: Samples, order: torch.Tensor) -> tuple[Score, float]:
        """Take one step for each batch.

        Args:
            samples: The training part.
            order: int64 [samples]: a permutation.

        Returns:
            The score over the epoch, with dropout and while the weights change, and the mean gradient norm before
            clipping.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for.
        """
        self._model.train()
        sums = _Sums(self._weights.device)
        norms = torch.zeros((), device=self._weights.device)
        batches = torch.split(order, self._batch_size)
        for number, batch in enumerate(batches, start=1):
            self._progress.raise_if_cancelled()
            inputs, classes = samples.inputs[batch], samples.classes[batch]
            logits = self._model(inputs)
            loss, weight = self._loss(logits, classes)
            mean_loss = loss / weight
            self._optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(mean_loss)
            norms += nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_norm)
            self._optimizer.step()
            sums.add(loss, weight, logits, classes)
            self._report(number, len(batches), mean_loss)
        return sums.score(), float(norms) / len(batches)

    def evaluate(self, samples: Samples) -> Score:
        """Score the network as it is, without dropout."""
        self._model.eval()
        sums = _Sums(self._weights.device)
        with torch.inference_mode():
            for inputs, classes in zip(
                torch.split(samples.inputs, EVALUATION_ROWS), torch.split(samples.classes, EVALUATION_ROWS), strict=True
            ):
                logits = self._model(inputs)
                loss, weight = self._loss(logits, classes)
                sums.add(loss, weight, logits, classes)
        return sums.score()

    def _loss(self, logits: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weighted loss and the weight, both summed, so that batches of any size add up."""
        loss = functional.cross_entropy(logits, classes, weight=self._weights, reduction="sum")
        return loss, self._weights[classes].sum()

    def _report(self, batch: int, total: int, loss: torch.Tensor) -> None:
        now = time.monotonic()
        if now - self._reported_at >= self._report_seconds:
            self._progress.on_batch(batch, total, {"batch_loss": loss.item()})
            self._reported_at = now
