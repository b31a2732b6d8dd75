"""One pass over the training part, which can be left and taken up again between any two batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from services.training_host.loop.gradient import GradientSteps, NormSum
from services.training_host.loop.objective import Objective
from services.training_host.loop.samples import Samples
from services.training_host.loop.score import Score, ScoreSums
from services.training_host.loop.state import LoopState, copies
from services.training_host.progress import Progress
from services.training_host.strategy.training import Training

REPORT_SECONDS = 0.1
"""How often the loss of a batch is read back from an accelerator: each time, the device has to be waited for."""
SUMS, GRADIENT = "epoch", "gradient"


class EpochPass:
    """Trains a network for one epoch at a time.

    Args:
        model: The network, on its device.
        steps: Takes its steps.
        samples: The training part.
        objective: What is made small.
        rules: Batch size and accumulation.
        progress: Told about batches, and asked before each whether to stop.
        clock: Seconds.

    Attributes:
        at_boundary: False while a batch is being computed.
    """

    def __init__(
        self,
        model: nn.Module,
        steps: GradientSteps,
        samples: Samples,
        *,
        objective: Objective,
        rules: Training,
        progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self.at_boundary = True
        self._model = model
        self._steps = steps
        self._samples = samples
        self._objective = objective
        self._size = rules.batch_size
        self._accumulated = rules.gradient_accumulation
        self._batches = -(-len(samples) // rules.batch_size)
        self._progress = progress
        self._clock = clock
        self._device = samples.inputs.device
        self._report_seconds = 0.0 if self._device.type == "cpu" else REPORT_SECONDS
        self._report_at = clock()
        self._order: torch.Tensor | None = None
        self._next = 0
        self._sums = ScoreSums(objective, self._device, self._size)
        self._norms = NormSum(self._device)

    @property
    def begun(self) -> bool:
        """An epoch has begun and not ended."""
        return self._order is not None

    def begin(self, order: torch.Tensor) -> None:
        """Begin an epoch with the samples in this order, int64 [samples]."""
        self._next = 0
        self._sums = ScoreSums(self._objective, self._device, self._size)
        self._norms = NormSum(self._device)
        self._order = order.to(self._device)

    def end(self) -> None:
        """Forget the epoch."""
        self._order = None

    def run(self) -> tuple[Score, float]:
        """Train on the batches that are left of the epoch.

        Returns:
            The score over the epoch, with dropout and while the weights change, and the mean gradient norm before
            clipping.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for; the epoch can go on where it was left.
        """
        assert self._order is not None
        self._model.train()
        weight = None
        for inputs, targets in self._samples.batches(self._order, self._size, first=self._next):
            self._progress.raise_if_cancelled()
            self.at_boundary = False
            begins, completes = self._place_in_step()
            if begins:
                self._steps.forget()
            if self._accumulated > 1 and (begins or weight is None):
                weight = self._weight_of_step()
            outputs, loss = self._steps.add(inputs, targets, weight)
            if completes:
                self._norms.add(self._steps.step())
            self._sums.add(outputs, targets)
            self._next += 1
            self.at_boundary = True
            if self._clock() >= self._report_at:
                self._report(outputs, targets, loss)
        return self._sums.score(), self._norms.mean()

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any] | None]:
        """Return what restore needs: tensors, and JSON values; these are None between two epochs."""
        if self._order is None:
            return {}, None
        sums, document = self._sums.state()
        norms, document["norms"] = self._norms.state()
        document["next_batch"] = self._next
        tensors = copies(SUMS, {"order": self._order, **sums, **norms})
        begins, _ = self._place_in_step()
        if not begins and self._next < self._batches:
            tensors |= copies(GRADIENT, self._steps.state())
        return tensors, document

    def restore(self, state: LoopState, document: dict[str, Any] | None) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: It is not such a state, or one of other samples.
        """
        self.end()
        if document is None:
            return
        tensors = state.group(SUMS)
        order = tensors["order"]
        if len(order) != len(self._samples):
            message = f"the state is of {len(order)} training samples, but there are {len(self._samples)}"
            raise ValueError(message)
        self.begin(order.clone())
        self._next = int(document["next_batch"])
        if not 0 <= self._next <= self._batches:
            message = f"the state is at batch {self._next} of {self._batches}"
            raise ValueError(message)
        self._sums.restore(tensors, document)
        self._norms.restore(tensors, int(document["norms"]))
        self._steps.restore(state.group(GRADIENT))

    def _place_in_step(self) -> tuple[bool, bool]:
        """Return whether the next batch begins a step, and whether it completes one."""
        after = self._next + 1
        return self._next % self._accumulated == 0, after % self._accumulated == 0 or after == self._batches

    def _weight_of_step(self) -> torch.Tensor | float:
        """Return the weight of all samples of the step that the next batch belongs to."""
        assert self._order is not None
        span = self._accumulated * self._size
        start = self._next // self._accumulated * span
        return self._objective.weight(self._samples.targets.index_select(0, self._order[start : start + span]))

    def _report(self, outputs: torch.Tensor, targets: torch.Tensor, loss: torch.Tensor) -> None:
        if self._accumulated > 1:
            loss = self._objective.mean(outputs.detach(), targets)
        self._progress.on_batch(self._next, self._batches, {"batch_loss": loss.item()})
        # By the clock after reading: on an accelerator that is the time at which the batch was done.
        self._report_at = self._clock() + self._report_seconds
