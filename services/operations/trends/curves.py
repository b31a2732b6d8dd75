"""Which rules look at which curve of a training."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations.trends.best_epoch import BestEpoch
from services.operations.trends.divergence import Divergence
from services.operations.trends.finding import Episode, Finding, Transitions
from services.operations.trends.no_learning import AccuracyStays, LossDoesNotFall
from services.operations.trends.overfitting import Overfitting
from services.operations.trends.plateau import Plateau
from services.operations.trends.rows import Point, Row
from services.operations.trends.series_names import Role
from services.operations.trends.thresholds import Thresholds
from services.operations.trends.throughput import ThroughputDrop

_STEP_WEIGHT: Final = 0.05
_STEPS_OF_A_CHUNK: Final = 50
_WATCHED: Final = (Role.VAL_LOSS, Role.VAL_ACCURACY, Role.TRAIN_LOSS)
"""What the best epoch and the plateau are told by, the preferred one first."""
_LEARNED: Final = (Role.TRAIN_LOSS, Role.VAL_LOSS)
"""What tells whether a training learns, the preferred one first."""
_STEPS: Final = Role.STEP_LOSS
_UNKNOWN: Final = 1_000_000


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

    It begins anew, and keeps what was found, when the steps of an epoch's series go back, and all do when another fold
    is told of: what one network learned says nothing about the next.
    Where a series that is preferred for its role appears, or one by which the same can be told better, its rule takes
    the place of the other.

    Args:
        thresholds: What they compare with.
        transitions: Counts what is told at once.
    """

    __slots__ = ("_fold", "_last_steps", "_looking", "_names", "_ranks", "_rules", "_thresholds", "_transitions")

    def __init__(self, thresholds: Thresholds, transitions: Transitions) -> None:
        self._transitions = transitions
        self._thresholds = thresholds
        self._rules: dict[str, Rule] = {}
        self._fold: float | None = None
        self._ranks = [_UNKNOWN] * len(Role)
        self._last_steps = [0] * len(Role)
        self._names: dict[Role, str] = {}
        self._looking: dict[Role, tuple[Callable[[Point], None], ...]] = {}

    def take(self, roles: Sequence[tuple[int, Role, int, str]], row: Row) -> None:
        """Look at a row.

        Args:
            roles: What in it stands for something, see `Plan`.
            row: The row.
        """
        ranks, last_steps, step = self._ranks, self._last_steps, row.step
        for _, role, rank, name in roles:
            known = ranks[role]
            if rank <= known:
                goes_back = rank == known and step < last_steps[role] and role is not _STEPS
                last_steps[role] = step
                if rank < known or goes_back:
                    ranks[role], self._names[role] = rank, name
                    self._begin(role)
        for place, role, rank, _ in roles:
            if rank == ranks[role]:
                point = Point(step, row.values[place], row.time_ns)
                for look in self._looking[role]:
                    look(point)

    def take_fold(self, fold: float) -> None:
        """Hear to which fold the next row belongs."""
        if self._fold is not None and fold != self._fold:
            for role in reversed(Role):  # batches first: epochs take their place
                if self._ranks[role] < _UNKNOWN:
                    self._begin(role)
        self._fold = fold

    def rules(self) -> list[Rule]:
        """Return all rules."""
        return list(self._rules.values())

    def _begin(self, role: Role) -> None:
        name, rules, log = self._names[role], self._thresholds, self._transitions
        if role is Role.STEP_LOSS:
            steps = rules.divergence_steps
            self._set(
                "divergence of steps", Divergence(name, rules, log, in_a_row=steps, weight=_STEP_WEIGHT, unit="batch")
            )
            self._set("throughput of steps", ThroughputDrop(name, rules, log, points=_STEPS_OF_A_CHUNK))
        if role is Role.VAL_ACCURACY:
            self._set("accuracy", AccuracyStays(name, rules, log))
        if role is Role.VAL_LOSS:
            self._set("overfitting", Overfitting(name, rules, log))
        if role is self._first(_WATCHED):
            sign = -1 if role is Role.VAL_ACCURACY else 1
            self._set("best epoch", BestEpoch(name, sign, log))
            self._set("plateau", Plateau(name, sign, rules, log))
        if role is self._first(_LEARNED):
            epochs = rules.divergence_epochs
            self._set("divergence", Divergence(name, rules, log, in_a_row=epochs, weight=1.0, unit="epoch"))
            self._set("no learning", LossDoesNotFall(name, rules, log))
            self._set("throughput", ThroughputDrop(name, rules, log))
            self._rules.pop("throughput of steps", None)  # epochs tell it better
        self._looking = {each: tuple(self._looking_at(each)) for each in Role if self._ranks[each] < _UNKNOWN}

    def _first(self, roles: tuple[Role, ...]) -> Role | None:
        return next((role for role in roles if self._ranks[role] < _UNKNOWN), None)

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
        self._transitions.count += 1
        if before is not None and before.episode.series == rule.episode.series and slot != "best epoch":
            rule.episode = before.episode
            rule.episode.end()
        self._rules[slot] = rule


_OWN: Final[dict[Role, tuple[str, ...]]] = {
    Role.VAL_LOSS: ("overfitting",),
    Role.VAL_ACCURACY: ("accuracy",),
    Role.STEP_LOSS: ("divergence of steps", "throughput of steps"),
}
