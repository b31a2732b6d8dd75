"""A training as somebody writes it by hand who wants nothing but the weights."""

import torch
from torch import nn
from torch.nn import functional

from services.training_host.loop.samples import Samples


class BareLoop:
    """Adam on cross-entropy; tells nobody anything, and keeps nothing but the last validation loss.

    Its windows are made beforehand, all of them: no gathering is faster, and few data sets are small enough for it.

    Args:
        model: The network.
        training_part: Samples to learn from.
        validation_part: Samples for the loss at the end of each epoch.
        batch_size: Samples of a batch.
        learning_rate: Of Adam.
        clip_norm: Longest gradient.
        seed: Of the order of samples.
    """

    def __init__(
        self,
        model: nn.Module,
        training_part: Samples,
        validation_part: Samples,
        *,
        batch_size: int,
        learning_rate: float,
        clip_norm: float,
        seed: int,
    ) -> None:
        self.model = model
        self.validation_loss = 0.0
        self._optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        self._inputs, self._targets = _whole(training_part)
        self._validation_inputs, self._validation_targets = _whole(validation_part)
        self._batch_size = batch_size
        self._clip_norm = clip_norm
        self._shuffle = torch.Generator().manual_seed(seed)

    def run_epoch(self) -> None:
        """Train for an epoch, and validate."""
        self.model.train()
        order = torch.randperm(len(self._targets), generator=self._shuffle)
        for batch in torch.split(order, self._batch_size):
            self._optimizer.zero_grad()
            loss = functional.cross_entropy(self.model(self._inputs[batch]), self._targets[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            nn.utils.clip_grad_norm_(self.model.parameters(), self._clip_norm)
            self._optimizer.step()
        self.model.eval()
        with torch.inference_mode():
            outputs = self.model(self._validation_inputs)
            self.validation_loss = functional.cross_entropy(outputs, self._validation_targets).item()


def _whole(part: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    return part.gather(torch.arange(len(part))), part.targets
