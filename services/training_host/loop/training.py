"""From the first epoch to the best weights."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from services.training_host.failures import training_diverged
from services.training_host.loop.early_stopping import BestWeights, Patience, copied_weights
from services.training_host.loop.epoch import EpochPass
from services.training_host.loop.epoch_log import EpochLog
from services.training_host.loop.gradient import GradientSteps
from services.training_host.loop.history import TrainingHistory
from services.training_host.loop.objective import Objective
from services.training_host.loop.optimizer import optimizer_state, restore_optimizer
from services.training_host.loop.random_state import random_state, restore_random_state
from services.training_host.loop.samples import Samples
from services.training_host.loop.schedule import LearningRate
from services.training_host.loop.score import evaluate
from services.training_host.loop.state import LoopState, copies, from_json_value, json_value
from services.training_host.progress import Progress
from services.training_host.strategy.training import Training

MODEL, BEST, SHUFFLE = "model", "best", "shuffle"


def _nothing() -> None:
    """What is done after an epoch, where nobody asks for anything."""


class TrainingLoop:
    """Trains a network in place; it ends with the weights of its best epoch.

    The loop can be left at any batch, by the exception that `progress` raises there, and taken up again: in another
    process from its state, or in this one by another `run`. On the CPU it then gives the same numbers, bit for bit, as
    one that was never left.

    Args:
        model: On its device.
        training_part: Samples to learn from, on the same device.
        validation_part: Samples to choose the best epoch by.
        objective: What is made small.
        rules: Optimizer, epochs and so on.
        progress: Told about batches and epochs, the last one included.
        epochs_before: Epochs of earlier folds, from which on epochs are counted to `progress`.
        epochs_total: Most epochs of all folds; None for those of this training.
        clock: Seconds, for the durations in the metrics, and the pace of reports and log lines.

    Attributes:
        history: What has happened so far.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        training_part: Samples,
        validation_part: Samples,
        objective: Objective,
        rules: Training,
        progress: Progress,
        epochs_before: int = 0,
        epochs_total: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.history = TrainingHistory()
        self._model = model
        self._training_part = training_part
        self._validation_part = validation_part
        self._objective = objective
        self._rules = rules
        self._progress = progress
        self._epochs_before = epochs_before
        self._epochs_total = epochs_total or rules.epochs
        self._clock = clock
        self._device = training_part.inputs.device
        self._steps = GradientSteps(model, objective, rules)
        self._learning_rate = LearningRate(self._steps.optimizer, rules)
        self._pass = EpochPass(
            model, self._steps, training_part, objective=objective, rules=rules, progress=progress, clock=clock
        )
        self._shuffle = torch.Generator().manual_seed(rules.seed)
        self._best = BestWeights()
        self._patience = Patience(rules.early_stopping)
        self._between_records = True
        self._last_weights: dict[str, torch.Tensor] | None = None
        self._began: float | None = None
        self._elapsed = 0.0

    @property
    def at_boundary(self) -> bool:
        """False only while a batch is being computed, or an epoch recorded: then the state must not be taken."""
        return self._between_records and self._pass.at_boundary

    def run(self, after_epoch: Callable[[], None] = _nothing) -> TrainingHistory:
        """Train to the end.

        Args:
            after_epoch: Called after each epoch, when everything of that epoch has been done.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for.
            ServiceError: STRATEGY_INVALID, if the loss was never a number.
        """
        self._progress.set_phase("train", total=self._epochs_total, unit="epoch")
        if done := self._epochs_before + len(self.history.epochs):
            self._progress.advance(done)
        accuracy = f"val_{self._objective.accuracy_name}"
        log = EpochLog(("train_loss", "val_loss", accuracy, "epoch_seconds"), self._clock)
        while not self._ended:
            self._run_epoch(log)
            after_epoch()
        if self._best.epoch == 0:
            raise training_diverged(len(self.history.epochs))
        if self._last_weights is None:
            self._last_weights = copied_weights(self._model)
        self._best.restore(self._model)
        log.training_ended(self.history)
        return self.history

    def state(self) -> LoopState:
        """Return everything that another loop needs to go on; right at any boundary, also after the end."""
        weights = self._model.state_dict() if self._last_weights is None else self._last_weights
        epoch_tensors, epoch = self._pass.state()
        random_tensors, random = random_state(self._device)
        elapsed = self._elapsed if self._began is None else self._clock() - self._began
        document = {
            "epoch": epoch,
            "epoch_seconds": elapsed,
            "history": self.history.epochs,
            "best": {"epoch": self._best.epoch, "loss": self._best.loss},
            "patience": {"reference": self._patience.reference, "waited": self._patience.waited},
            "learning_rate": self._learning_rate.state(),
            "random": random,
        }
        tensors = {
            **copies(MODEL, weights),
            **copies(BEST, self._best.weights),
            **copies(SHUFFLE, {"generator": self._shuffle.get_state()}),
            **optimizer_state(self._steps.optimizer),
            **epoch_tensors,
            **random_tensors,
        }
        return LoopState(tensors, json_value(document))

    def restore(self, state: LoopState) -> None:
        """Go on from a state, by the rules of this loop, with its network and its samples.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: The state does not fit. The loop must not be used then.
        """
        document = from_json_value(state.document)
        try:
            self._take(state, document)
        except (AttributeError, IndexError, OverflowError) as error:
            message = f"the state is not that of a training: {error}"
            raise ValueError(message) from error

    @property
    def _ended(self) -> bool:
        epochs = self.history.epochs
        if not epochs:
            return False
        # Weights that are no longer numbers stay so: no later epoch can be better.
        diverged = not math.isfinite(epochs[-1]["train_loss"])
        return len(epochs) >= self._rules.epochs or self._patience.exhausted or diverged

    def _run_epoch(self, log: EpochLog) -> None:
        if self._began is None:
            self._began = self._clock() - self._elapsed
        if not self._pass.begun:
            self._between_records = False
            self._pass.begin(torch.randperm(len(self._training_part), generator=self._shuffle))
            self._between_records = True
        learned, gradient_norm = self._pass.run()
        trained = self._clock()
        validated = evaluate(self._model, self._validation_part, self._objective, self._progress)
        accuracy = self._objective.accuracy_name
        metrics = {
            "train_loss": learned.loss,
            "val_loss": validated.loss,
            f"train_{accuracy}": learned.accuracy,
            f"val_{accuracy}": validated.accuracy,
            "learning_rate": self._learning_rate.value,
            "gradient_norm": gradient_norm,
            "epoch_seconds": self._clock() - self._began,
            "samples_per_second": len(self._training_part) / max(trained - self._began, 1e-9),
        }
        self._between_records = False
        self._record(metrics, validated.loss)
        self._between_records = True
        log.epoch_ended(len(self.history.epochs), metrics)

    def _record(self, metrics: dict[str, float], validation_loss: float) -> None:
        """Take note of an epoch in all that changes with it but the weights."""
        history = self.history
        history.epochs.append(metrics)
        self._best.offer(len(history.epochs), validation_loss, self._model)
        history.best_epoch, history.best_validation_loss = self._best.epoch, self._best.loss
        self._patience.count(validation_loss)
        self._learning_rate.epoch_ended(validation_loss)
        self._pass.end()
        self._began, self._elapsed = None, 0.0
        history.stopped_early = self._ended and len(history.epochs) < self._rules.epochs
        self._progress.on_epoch(self._epochs_before + len(history.epochs), metrics)

    def _take(self, state: LoopState, document: dict[str, Any]) -> None:
        self._model.load_state_dict(state.group(MODEL))
        self._take_best(state.group(BEST), **document["best"])
        restore_optimizer(self._steps.optimizer, state)
        self._learning_rate.restore(document["learning_rate"])
        self._pass.restore(state, document["epoch"])
        self._shuffle.set_state(state.group(SHUFFLE)["generator"])
        self._patience.reference = float(document["patience"]["reference"])
        self._patience.waited = int(document["patience"]["waited"])
        epochs = [{name: float(value) for name, value in metrics.items()} for metrics in document["history"]]
        self.history = TrainingHistory(epochs, self._best.epoch, self._best.loss)
        self.history.stopped_early = self._ended and len(epochs) < self._rules.epochs
        self._last_weights = None
        self._began, self._elapsed = None, float(document["epoch_seconds"])
        restore_random_state(state, document["random"], self._device)

    def _take_best(self, weights: dict[str, torch.Tensor], *, epoch: int, loss: float) -> None:
        shapes = {name: tensor.shape for name, tensor in self._model.state_dict().items()} if epoch else {}
        if shapes != {name: tensor.shape for name, tensor in weights.items()}:
            raise ValueError("the state's best weights are not those of this network")
        self._best = BestWeights()
        self._best.take(int(epoch), float(loss), {name: each.to(self._device) for name, each in weights.items()})
