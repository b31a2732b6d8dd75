"""Which series the rules look at."""

from collections.abc import Sequence
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

VAL_LOSS: Final = (
    "val_loss",
    "valid_loss",
    "validation_loss",
    "eval_loss",
    "val/loss",
    "valid/loss",
    "validation/loss",
    "eval/loss",
    "loss/val",
    "val_loss_epoch",
)
TRAIN_LOSS: Final = (
    "train_loss",
    "training_loss",
    "train/loss",
    "training/loss",
    "loss/train",
    "train_loss_epoch",
    "loss_epoch",
    "loss",
)
VAL_ACCURACY: Final = (
    "val_accuracy",
    "val_sign_accuracy",
    "val_acc",
    "valid_accuracy",
    "valid_acc",
    "validation_accuracy",
    "eval_accuracy",
    "val/accuracy",
    "val/acc",
    "eval/accuracy",
    "val_acc_epoch",
)
STEP_LOSS: Final = ("batch_loss", "batch_train_loss", "train_loss_step", "loss_step", "step_loss")
FOLD: Final = "fold"
"""Its value is the number of what is being trained, where several trainings follow each other."""
FINITE: Final = ("*loss*",)

_REMEMBERED: Final = 4096


class Role(IntEnum):
    """What a series stands for."""

    VAL_LOSS = 0
    TRAIN_LOSS = 1
    VAL_ACCURACY = 2
    STEP_LOSS = 3
    NONE = 4
    """Watched for values that are no numbers, and for nothing else."""


class Part(NamedTuple):
    """The part that a series has."""

    role: Role
    rank: int
    """Where a training has several series for one role, that with the lowest rank has it."""


class Plan(NamedTuple):
    """What to look at in rows with the same series."""

    watched: tuple[tuple[int, str], ...]
    """Values that should be numbers: their places and names."""
    roles: tuple[tuple[int, Role, int, str], ...]
    """Values that stand for something, the preferred one for each role, in the order in which they are looked at: their
    places, roles, ranks and names. Overfitting compares a validation loss with the training loss of the same epoch."""
    ends_epoch: bool
    """The row tells of a whole epoch."""
    fold: int | None
    """Place of the value that says which fold it belongs to, if there is one."""


_LOOKING_ORDER: Final = (Role.TRAIN_LOSS, Role.VAL_LOSS, Role.VAL_ACCURACY, Role.STEP_LOSS)


class SeriesNames:
    """Knows the part of each series by its name. One for all operations.

    Args:
        val_loss: Names of the validation loss of an epoch, the preferred one first.
        train_loss: Names of the training loss of an epoch.
        val_accuracy: Names of the validation accuracy of an epoch.
        step_loss: Names of the loss of a batch.
        finite: Patterns (`*`, `?`) of further series that are watched for NaN and infinities.
    """

    def __init__(
        self,
        *,
        val_loss: Sequence[str] = VAL_LOSS,
        train_loss: Sequence[str] = TRAIN_LOSS,
        val_accuracy: Sequence[str] = VAL_ACCURACY,
        step_loss: Sequence[str] = STEP_LOSS,
        finite: Sequence[str] = FINITE,
    ) -> None:
        self._finite = tuple(finite)
        self._parts: dict[str, Part | None] = {}
        self._plans: dict[tuple[str, ...], Plan] = {}
        roles = (Role.STEP_LOSS, step_loss), (Role.VAL_ACCURACY, val_accuracy)
        for role, names in (*roles, (Role.TRAIN_LOSS, train_loss), (Role.VAL_LOSS, val_loss)):
            self._parts |= {name: Part(role, rank) for rank, name in enumerate(names)}

    def part(self, name: str) -> Part | None:
        """Return the part of a series, or None if no rule looks at it."""
        try:
            return self._parts[name]
        except KeyError:
            part = Part(Role.NONE, 0) if any(fnmatchcase(name, pattern) for pattern in self._finite) else None
            if len(self._parts) < _REMEMBERED:
                self._parts[name] = part
            return part

    def plan(self, names: tuple[str, ...]) -> Plan:
        """Return what to look at in rows that have these series."""
        try:
            return self._plans[names]
        except KeyError:
            plan = self._plan(names)
            if len(self._plans) < _REMEMBERED:
                self._plans[names] = plan
            return plan

    def _plan(self, names: tuple[str, ...]) -> Plan:
        parts = [(place, name, part) for place, name in enumerate(names) if (part := self.part(name)) is not None]
        roles = []
        for role in _LOOKING_ORDER:
            fitting = [(part.rank, place, name) for place, name, part in parts if part.role is role]
            if fitting:
                rank, place, name = min(fitting)
                roles.append((place, role, rank, name))
        ends_epoch = any(role is not Role.STEP_LOSS for _, role, _, _ in roles)
        fold = names.index(FOLD) if FOLD in names else None
        return Plan(tuple((place, name) for place, name, _ in parts), tuple(roles), ends_epoch, fold)


DEFAULT_NAMES: Final = SeriesNames()
