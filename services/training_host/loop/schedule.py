"""How the learning rate changes from epoch to epoch."""

from typing import Any

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LRScheduler, ReduceLROnPlateau, StepLR

from services.training_host.strategy.schedule import (
    CosineSchedule,
    ExponentialSchedule,
    PlateauSchedule,
    StepSchedule,
)
from services.training_host.strategy.training import Training

_CHANGING = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")
"""What a schedule keeps beside its rules, which come from the strategy."""


class LearningRate:
    """The learning rate of an optimizer.

    Args:
        optimizer: Whose.
        rules: The schedule, and the number of epochs, which a cosine spans.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, rules: Training) -> None:
        self._optimizer = optimizer
        self._schedule = _schedule(optimizer, rules)

    @property
    def value(self) -> float:
        """The learning rate now."""
        return float(self._optimizer.param_groups[0]["lr"])

    def epoch_ended(self, validation_loss: float) -> None:
        """Change it after an epoch."""
        if isinstance(self._schedule, ReduceLROnPlateau):
            self._schedule.step(validation_loss)
        elif self._schedule is not None:
            self._schedule.step()

    def state(self) -> dict[str, Any]:
        """Return what restore needs."""
        kept = {} if self._schedule is None else self._schedule.state_dict()
        return {"value": self.value, "schedule": {name: kept[name] for name in _CHANGING if name in kept}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, by the rules of this training.

        Raises:
            KeyError, TypeError, ValueError: It is not such a state.
        """
        value, kept = float(state["value"]), dict(state["schedule"])
        for group in self._optimizer.param_groups:
            group["lr"] = value
        if self._schedule is None or not kept:
            return
        # Torch warns when a schedule's second step comes before its optimizer's first. That one was made before the
        # state was written down, and the count of steps says so.
        steps = {} if isinstance(self._schedule, ReduceLROnPlateau) else {"_step_count": int(kept["last_epoch"]) + 2}
        self._schedule.load_state_dict({**kept, **steps, "_last_lr": [value]})


def _schedule(optimizer: torch.optim.Optimizer, rules: Training) -> LRScheduler | None:
    match rules.lr_scheduler:
        case PlateauSchedule() as rule:
            return ReduceLROnPlateau(optimizer, factor=rule.factor, patience=rule.patience)
        case StepSchedule() as rule:
            return StepLR(optimizer, step_size=rule.step_epochs, gamma=rule.factor)
        case ExponentialSchedule() as rule:
            return ExponentialLR(optimizer, gamma=rule.factor)
        case CosineSchedule() as rule:
            return CosineAnnealingLR(optimizer, T_max=rules.epochs, eta_min=rule.min_learning_rate)
    return None
