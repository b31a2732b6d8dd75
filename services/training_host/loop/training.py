"""From the first epoch to the best weights."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from services.training_host.failures import training_diverged
from services.training_host.loop.early_stopping import BestWeights, Patience
from services.training_host.loop.epoch import EpochRunner
from services.training_host.loop.samples import Samples
from services.training_host.progress import Progress
from services.training_host.strategy.training import Training

_LOG = structlog.get_logger(__name__)
_LOGGED = ("train_loss", "val_loss", "val_accuracy", "epoch_seconds")


@dataclass
class TrainingHistory:
    """What happened.

    Attributes:
        epochs: Metrics of each epoch, by name, in order.
        best_epoch: Whose weights are kept, from 1.
        best_validation_loss: Its loss.
        stopped_early: The last epochs were not run.
    """

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_validation_loss: float = math.inf
    stopped_early: bool = False


def train(
    model: nn.Module,
    *,
    training_part: Samples,
    validation_part: Samples,
    weights: torch.Tensor,
    rules: Training,
    progress: Progress,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainingHistory:
    """Train a network in place; it ends with the weights of its best epoch.

    Args:
        model: On its device.
        training_part: Samples to learn from, on the same device.
        validation_part: Samples to choose the best epoch by.
        weights: float32 [classes], of the loss.
        rules: Optimizer, epochs and so on.
        progress: Told about each batch and epoch, the last one included.
        clock: Seconds, for the durations in the metrics.

    Raises:
        ktrdr_bridge.Cancelled: A stop was asked for.
        ServiceError: STRATEGY_INVALID, if the loss was never a number.
    """
    optimizer = _optimizer(model, rules)
    schedule = rules.lr_scheduler
    plateau = ReduceLROnPlateau(optimizer, factor=schedule.factor, patience=schedule.patience) if schedule else None
    runner = EpochRunner(
        model, optimizer, weights, batch_size=rules.batch_size, clip_norm=rules.gradient_clip_norm, progress=progress
    )
    shuffle = torch.Generator().manual_seed(rules.seed)
    best, patience, history = BestWeights(), Patience(rules.early_stopping), TrainingHistory()
    progress.set_phase("train", total=rules.epochs, unit="epoch")
    for epoch in range(1, rules.epochs + 1):
        started = clock()
        order = torch.randperm(len(training_part), generator=shuffle).to(weights.device)
        learned, gradient_norm = runner.train(training_part, order)
        trained = clock()
        validated = runner.evaluate(validation_part)
        metrics = {
            "train_loss": learned.loss,
            "val_loss": validated.loss,
            "train_accuracy": learned.accuracy,
            "val_accuracy": validated.accuracy,
            "learning_rate": float(optimizer.param_groups[0]["lr"]),
            "gradient_norm": gradient_norm,
            "epoch_seconds": clock() - started,
            "samples_per_second": len(training_part) / max(trained - started, 1e-9),
        }
        progress.on_epoch(epoch, metrics)
        history.epochs.append(metrics)
        _LOG.info("epoch_ended", epoch=epoch, **{name: float(f"{metrics[name]:.6g}") for name in _LOGGED})
        best.offer(epoch, validated.loss, model)
        if plateau is not None:
            plateau.step(validated.loss)
        # Weights that are no longer numbers stay so: no later epoch can be better.
        if not math.isfinite(learned.loss) or patience.exhausted_by(validated.loss):
            history.stopped_early = epoch < rules.epochs
            break
    if best.epoch == 0:
        raise training_diverged(len(history.epochs))
    best.restore(model)
    history.best_epoch, history.best_validation_loss = best.epoch, best.loss
    ending = "stopped_early" if history.stopped_early else "all_epochs_ended"
    _LOG.info(ending, epochs=len(history.epochs), best_epoch=best.epoch, best_val_loss=best.loss)
    return history


def _optimizer(model: nn.Module, rules: Training) -> torch.optim.Optimizer:
    if rules.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(), lr=rules.learning_rate, momentum=rules.momentum, weight_decay=rules.weight_decay
        )
    return torch.optim.Adam(model.parameters(), lr=rules.learning_rate, weight_decay=rules.weight_decay)
