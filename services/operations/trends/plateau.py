"""No improvement for a number of epochs."""

import math
from collections.abc import Iterator
from math import isfinite
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_INFO, SEVERITY_WARNING, VERDICT_KIND_PLATEAU

from services.operations.trends.finding import Episode, Finding, Transitions, figure, percent
from services.operations.trends.rows import Point
from services.operations.trends.thresholds import Thresholds


class Plateau:
    """Counts epochs since the watched series was better by a noticeable amount, as early stopping does.

    It is a warning from twice the number of epochs on.

    Args:
        series: The watched series.
        sign: 1 where lower is better, -1 where higher is.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_PLATEAU

    __slots__ = (
        "_bar",
        "_high", "_improvement", "_limit", "_low", "_reference", "_reference_step", "_sign", "_waited", "episode",
    )  # fmt: skip

    def __init__(self, series: str, sign: int, thresholds: Thresholds, transitions: Transitions) -> None:
        self.episode = Episode(series, transitions)
        self._sign = sign
        self._limit = thresholds.plateau_epochs
        self._improvement = thresholds.plateau_improvement
        self._reference = self._bar = math.inf
        self._reference_step = 0
        self._waited = 0
        self._low, self._high = math.inf, -math.inf

    def take(self, point: Point) -> None:
        """Look at the next epoch."""
        plain = point.value
        value = self._sign * plain
        if value < self._bar:
            self._reference, self._reference_step, self._waited = value, point.step, 0
            self._bar = value - self._improvement * abs(value)
            self._low, self._high = math.inf, -math.inf
            self.episode.end()
            return
        self._waited += 1
        if isfinite(plain):
            self._low = min(self._low, plain)
            self._high = max(self._high, plain)
        if self._waited >= self._limit and self._bar < math.inf:
            severity = SEVERITY_WARNING if self._waited >= 2 * self._limit else SEVERITY_INFO
            facts = (self._sign * self._reference, self._reference_step, self._low, self._high, self._waited)
            self.episode.hold(point, facts, from_step=self._reference_step, severity=severity)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        best, step, low, high, waited = self.episode.facts
        between = f"between {figure(low)} and {figure(high)}" if low <= high else "no numbers"
        evidence = f"{figure(best)} at epoch {step:.0f}; the {waited:.0f} epochs to {self.episode.to_step} {between}"
        rule = f"no improvement of {self.episode.series} by {percent(self._improvement)} in {self._limit} epochs"
        figures = {"reference": best, "reference_step": step, "epochs": waited}
        if low <= high:
            figures |= {"lowest": low, "highest": high}
        yield Finding(self.kind, self.episode, rule, evidence, figures)
