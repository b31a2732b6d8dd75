"""What a network answers."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from services.training_host.backtest.span import decision_rows
from services.training_host.dataset import Dataset, Fold
from services.training_host.loop.samples import Samples
from services.training_host.loop.score import evaluation_size
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.strategy import Strategy

BACKTEST = "backtest"
"""Name of the predictions for every bar of the test's time that has inputs, labelled or not."""


def predict_parts(
    strategy: Strategy, dataset: Dataset, fold: Fold, model: nn.Module, device: torch.device
) -> dict[str, NDArray[np.float32]]:
    """Ask a network for its answers on all parts of a fold, and on the bars that the backtest decides on.

    Args:
        strategy: What the answers mean.
        dataset: The inputs.
        fold: Whose parts and scaling.
        model: On its device; it is left in evaluation mode, without dropout.
        device: Where it is.

    Returns:
        By `train`, `validation`, `test` (in the order of the fold's part) and `backtest` (in the order of
        `decision_rows`): float32 [samples, classes] probabilities, or [samples, 1] expected returns. A bar that is in
        two of them has the same answer in both.
    """
    rows = {name: fold.split.part(name) for name in PARTS} | {BACKTEST: decision_rows(dataset, fold)}
    wanted = np.zeros(len(dataset.times), np.bool_)
    for part in rows.values():
        wanted[part] = True
    asked = np.flatnonzero(wanted)
    samples = Samples.of_part(
        torch.from_numpy(dataset.inputs(fold)).to(device),
        rows=asked,
        targets=dataset.targets(fold),
        sequence_length=dataset.sequence_length,
    )
    everything = torch.arange(len(samples), device=device)
    model.eval()
    with torch.inference_mode():
        size = evaluation_size(model, dataset.sequence_length)
        outputs = [model(inputs) for inputs, _ in samples.batches(everything, size)]
        logits = torch.cat(outputs)
        if strategy.is_regression:
            answers = logits.cpu().numpy() * np.float32(fold.target_scale)
        else:
            answers = torch.softmax(logits, dim=1).cpu().numpy()
    return {name: answers[np.searchsorted(asked, part)] for name, part in rows.items()}
