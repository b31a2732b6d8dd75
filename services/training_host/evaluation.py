"""How good the trained network is."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from services.training_host.loop.epoch import EVALUATION_ROWS


@dataclass(frozen=True)
class Evaluation:
    """A network on one part of the samples.

    Attributes:
        samples: How many.
        accuracy: Share that it classified rightly, 0 to 1.
        majority_class: Index of the part's largest class.
        majority_accuracy: What always answering that class would score.
        confusion: Rows are true classes, columns the network's answers.
        decided: Share of the answers whose probability reaches the strategy's threshold.
        decided_accuracy: Share of these that are right; None when there are none.
    """

    samples: int
    accuracy: float
    majority_class: int
    majority_accuracy: float
    confusion: list[list[int]]
    decided: float
    decided_accuracy: float | None


def predict(model: nn.Module, inputs: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """Return the probability of each class, float32 [samples, classes]."""
    model.eval()
    with torch.inference_mode():
        parts = [
            torch.softmax(model(part.to(device)), dim=1).cpu().numpy()
            for part in torch.split(torch.from_numpy(inputs), EVALUATION_ROWS)
        ]
    return np.concatenate(parts)


def evaluate(probabilities: NDArray[np.float32], classes: NDArray[np.int64], threshold: float) -> Evaluation:
    """Compare answers with labels.

    Args:
        probabilities: float32 [samples, classes], at least one sample.
        classes: int64 [samples]: the labels.
        threshold: Probability from which on an answer counts as a decision.
    """
    count = probabilities.shape[1]
    answers = probabilities.argmax(axis=1)
    confusion = np.bincount(classes * count + answers, minlength=count * count).reshape(count, count)
    right = answers == classes
    decided = probabilities.max(axis=1) >= threshold
    frequency = confusion.sum(axis=1)
    return Evaluation(
        samples=len(classes),
        accuracy=float(right.mean()),
        majority_class=int(frequency.argmax()),
        majority_accuracy=float(frequency.max() / len(classes)),
        confusion=confusion.tolist(),
        decided=float(decided.mean()),
        decided_accuracy=float(right[decided].mean()) if decided.any() else None,
    )
