"""What happened in a training."""

import math
from dataclasses import dataclass, field


@dataclass
class TrainingHistory:
    """What happened.

    Attributes:
        epochs: Metrics of each epoch, by name, in order.
        best_epoch: Whose weights are kept, from 1; 0 before any.
        best_validation_loss: Its loss.
        stopped_early: The last epochs were not run.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_validation_loss: float = math.inf
    stopped_early: bool = False
