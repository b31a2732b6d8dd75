"""A training that does not begin to learn."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_WARNING, VERDICT_KIND_NO_LEARNING

from services.operations.trends.finding import Episode, Finding, Transitions, figure, percent
from services.operations.trends.rows import Point
from services.operations.trends.smoothing import Jumps
from services.operations.trends.thresholds import Thresholds

_BEGINNING: Final = 3
_WEIGHT: Final = 0.2
_NOISE_FACTOR: Final = 1.5
_ALL_RIGHT: Final = 0.999


class LossDoesNotFall:
    """Compares the running mean of a loss with the mean of its first values, until it has once fallen noticeably.

    Args:
        series: The loss.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_NO_LEARNING

    __slots__ = (
        "_count", "_fall", "_first_step", "_jumps", "_learned", "_limit", "_mean", "_start", "episode",
    )  # fmt: skip

    def __init__(self, series: str, thresholds: Thresholds, transitions: Transitions) -> None:
        self.episode = Episode(series, transitions)
        self._limit = thresholds.no_learning_epochs
        self._fall = thresholds.no_learning_fall
        self._jumps = Jumps()
        self._count = 0
        self._start = self._mean = 0.0
        self._first_step = 0
        self._learned = False

    def take(self, point: Point) -> None:
        """Look at the next epoch."""
        value = point.value
        if self._learned or not math.isfinite(value):
            return
        self._count += 1
        self._jumps.take(value)
        if self._count == 1:
            self._first_step = point.step
        if self._count <= _BEGINNING:
            self._start += (value - self._start) / self._count
            self._mean = self._start
            return
        self._mean += _WEIGHT * (value - self._mean)
        fallen = self._start - self._mean
        least = max(self._fall * abs(self._start), 1e-12)
        if fallen >= least and fallen >= _NOISE_FACTOR * self._jumps.noise:
            self._learned = True
            self.episode.end()
        elif self._count >= self._limit:
            facts = (self._start, self._mean, fallen / max(abs(self._start), 1e-12), self._count)
            self.episode.hold(point, facts, from_step=self._first_step, severity=SEVERITY_WARNING)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        start, mean, fall, count = self.episode.facts
        rule = f"{self.episode.series} has not fallen by {percent(self._fall)} and more than its noise in "
        rule += f"{self._limit} epochs"
        evidence = f"{figure(start)} at first, {figure(mean)} after {count:.0f} epochs (running mean)"
        figures = {"start": start, "last": mean, "fall": fall, "epochs": count}
        yield Finding(self.kind, self.episode, rule, evidence, figures)


class AccuracyStays:
    """Looks for an accuracy that is the same from the start: a network that always answers the same has that.

    Args:
        series: The accuracy, 0 to 1.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_NO_LEARNING

    __slots__ = ("_change", "_count", "_first_step", "_high", "_limit", "_low", "episode")

    def __init__(self, series: str, thresholds: Thresholds, transitions: Transitions) -> None:
        self.episode = Episode(series, transitions)
        self._limit = thresholds.no_learning_epochs
        self._change = thresholds.no_learning_accuracy
        self._low, self._high = math.inf, -math.inf
        self._count = 0
        self._first_step = 0

    def take(self, point: Point) -> None:
        """Look at the next epoch."""
        if not math.isfinite(point.value):
            return
        self._count += 1
        if self._count == 1:
            self._first_step = point.step
        self._low, self._high = min(self._low, point.value), max(self._high, point.value)
        if self._high - self._low > self._change or self._high >= _ALL_RIGHT:
            self.episode.end()
        elif self._count >= self._limit:
            facts = (self._low, self._high, self._count)
            self.episode.hold(point, facts, from_step=self._first_step, severity=SEVERITY_WARNING)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        low, high, count = self.episode.facts
        rule = f"{self.episode.series} has not changed by more than {self._change:g} in {self._limit} epochs"
        evidence = f"between {figure(low)} and {figure(high)} in all {count:.0f} epochs: always the same answer?"
        figures = {"lowest": low, "highest": high, "epochs": count}
        yield Finding(self.kind, self.episode, rule, evidence, figures)
