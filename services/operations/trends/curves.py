"""Which rules look at which curve of a training."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations.trends.best_epoch import BestEpoch
from services.operations.trends.divergence import Divergence
from services.operations.trends.finding import Episode, Finding
from services.operations.trends.no_learning import AccuracyStays, LossDoesNotFall
from services.operations.trends.overfitting import Overfitting
from services.operations.trends.plateau import Plateau
from services.operations.trends.rows import Point
from services.operations.trends.series_names import Role
from services.operations.trends.thresholds import Thresholds
from services.operations.trends.throughput import ThroughputDrop

_STEP_WEIGHT: Final = 0.05
_STEPS_OF_A_CHUNK: Final = 50
_WATCHED: Final = (Role.VAL_LOSS, Role.VAL_ACCURACY, Role.TRAIN_LOSS)
"""What the best epoch and the plateau are told by, the preferred one first."""
_LEARNED: Final = (Role.TRAIN_LOSS, Role.VAL_LOSS)
"""What tells whether a training learns, the preferred one first."""
_LOOKING_ORDER: Final = (Role.TRAIN_LOSS, Role.VAL_LOSS, Role.VAL_ACCURACY, Role.STEP_LOSS)
"""Overfitting compares a validation loss with the training loss of the same epoch."""
_STEPS: Final = Role.STEP_LOSS
_UNKNOWN: Final = 1_000_000

Chosen = dict[Role, tuple[int, str, Point]]
"""For each role that a row has a series for: the rank of the series, its name, and its point."""


class Rule(Protocol):
    """A rule about one curve."""

    episode: Episode

    @property
    def kind(self) -> "VerdictKind.ValueType":
        """What it finds."""

    def take(self, point: Point) -> None:
        """Look at the next point."""

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""


class Curves:
    """Rules by what they are for. A rule begins when its series appears.

    It begins anew, and keeps what was found, when the steps of an epoch's series go back: another phase, another fold.
    Where a series that is preferred for its role appears, or one by which the same can be told better, its rule takes
    the place of the other.

    Args:
        thresholds: What they compare with.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._rules: dict[str, Rule] = {}
        self._ranks: dict[Role, int] = {}
        self._last_steps: dict[Role, int] = {}
        self._names: dict[Role, str] = {}
        self._looking: dict[Role, tuple[Callable[[Point], None], ...]] = {}

    def take(self, chosen: Chosen) -> None:
        """Look at what a row has for each role."""
        ranks, last_steps = self._ranks, self._last_steps
        for role, (rank, name, point) in chosen.items():
            known = ranks.get(role, _UNKNOWN)
            if rank > known:
                continue
            goes_back = rank == known and role is not _STEPS and point.step < last_steps[role]
            last_steps[role] = point.step
            if rank < known or goes_back:
                ranks[role], self._names[role] = rank, name
                self._begin(role)
        for role in _LOOKING_ORDER if len(chosen) > 1 else chosen:
            if role in chosen:
                rank, _, point = chosen[role]
                if rank == ranks[role]:
                    for look in self._looking[role]:
                        look(point)

    def rules(self) -> list[Rule]:
        """Return all rules."""
        return list(self._rules.values())

    def _begin(self, role: Role) -> None:
        name, rules = self._names[role], self._thresholds
        if role is Role.STEP_LOSS:
            steps = rules.divergence_steps
            self._set("divergence of steps", Divergence(name, rules, in_a_row=steps, weight=_STEP_WEIGHT, unit="batch"))
            self._set("throughput of steps", ThroughputDrop(name, rules, points=_STEPS_OF_A_CHUNK))
        if role is Role.VAL_ACCURACY:
            self._set("accuracy", AccuracyStays(name, rules))
        if role is Role.VAL_LOSS:
            self._set("overfitting", Overfitting(name, rules))
        if role is self._first(_WATCHED):
            sign = -1 if role is Role.VAL_ACCURACY else 1
            self._set("best epoch", BestEpoch(name, sign))
            self._set("plateau", Plateau(name, sign, rules))
        if role is self._first(_LEARNED):
            epochs = rules.divergence_epochs
            self._set("divergence", Divergence(name, rules, in_a_row=epochs, weight=1.0, unit="epoch"))
            self._set("no learning", LossDoesNotFall(name, rules))
            self._set("throughput", ThroughputDrop(name, rules))
            self._rules.pop("throughput of steps", None)  # epochs tell it better
        self._looking = {each: tuple(self._looking_at(each)) for each in self._ranks}

    def _first(self, roles: tuple[Role, ...]) -> Role | None:
        return next((role for role in roles if role in self._ranks), None)

    def _looking_at(self, role: Role) -> Iterator[Callable[[Point], None]]:
        names: tuple[str, ...] = ()
        if role is self._first(_WATCHED):
            names += ("best epoch", "plateau")
        if role is self._first(_LEARNED):
            names += ("divergence", "no learning", "throughput")
        names += _OWN.get(role, ())
        overfitting = self._rules.get("overfitting")
        if role is Role.TRAIN_LOSS and isinstance(overfitting, Overfitting):
            yield overfitting.take_training
        for name in names:
            if name in self._rules:
                yield self._rules[name].take

    def _set(self, slot: str, rule: Rule) -> None:
        before = self._rules.get(slot)
        if before is not None and before.episode.series == rule.episode.series:
            rule.episode = before.episode
            rule.episode.end()
        self._rules[slot] = rule


_OWN: Final[dict[Role, tuple[str, ...]]] = {
    Role.VAL_LOSS: ("overfitting",),
    Role.VAL_ACCURACY: ("accuracy",),
    Role.STEP_LOSS: ("divergence of steps", "throughput of steps"),
}
