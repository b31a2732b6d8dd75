"""A loss grows far above the best that it had reached."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_CRITICAL, VERDICT_KIND_DIVERGENCE

from services.operations.trends.finding import Episode, Finding, Transitions, figure, percent
from services.operations.trends.rows import Point
from services.operations.trends.thresholds import Thresholds

_BEGINNING: Final = 3
"""The loss at the start is the lowest of that many values: the very first can be anything."""


class Divergence:
    """Compares a loss with the lowest one, by its size and by how much of what was gained is given back.

    Both are needed: a loss that falls from 0.7 to 0.01 and ends at 0.05 is five times the lowest, and lost nothing.

    Args:
        series: The loss.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
        in_a_row: How often in a row it has to be so.
        weight: Of the newest value in the running mean that is compared; 1 compares each value itself.
        unit: What a value belongs to: "epoch" or "batch".
    """

    kind: Final = VERDICT_KIND_DIVERGENCE

    __slots__ = (
        "_best", "_best_step", "_count", "_given_back", "_in_a_row", "_limit", "_mean", "_ratio", "_start", "_unit",
        "_warm_up", "_weight", "episode",
    )  # fmt: skip

    def __init__(
        self,
        series: str,
        thresholds: Thresholds,
        transitions: Transitions,
        *,
        in_a_row: int,
        weight: float,
        unit: str,
    ) -> None:
        self.episode = Episode(series, transitions)
        self._ratio = thresholds.divergence_ratio
        self._given_back = thresholds.divergence_given_back
        self._limit = in_a_row
        self._weight = weight
        self._unit = unit
        self._warm_up = round(1 / weight) - 1  # values before the running mean means something
        self._count = 0
        self._mean = math.nan
        self._start, self._best, self._best_step = math.inf, math.inf, 0
        self._in_a_row = 0

    def take(self, point: Point) -> None:
        """Look at the next loss."""
        if not math.isfinite(point.value):
            return
        self._count += 1
        mean = self._mean
        mean = self._mean = point.value if mean != mean else mean + self._weight * (point.value - mean)  # noqa: PLR0124 - NaN
        if self._count <= self._warm_up:
            return
        if self._count <= self._warm_up + _BEGINNING:
            self._start = min(self._start, mean)
        if mean < self._best:
            self._best, self._best_step = mean, point.step
        best = self._best
        margin = max((self._ratio - 1) * abs(best), self._given_back * (self._start - best))
        if mean - best <= margin * (0.5 if self.episode.active else 1.0):
            self._in_a_row = 0
            self.episode.end()
            return
        self._in_a_row += 1
        if self._in_a_row >= self._limit or self.episode.active:
            facts = (best, self._best_step, mean, self._start)
            self.episode.hold(point, facts, from_step=self._best_step, severity=SEVERITY_CRITICAL)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        best, step, value, start = self.episode.facts
        in_a_row = f"{self._limit} {'epochs' if self._unit == 'epoch' else 'batches'} in a row"
        rule = f"{self.episode.series} above {self._ratio:.3g} times its lowest, with {percent(self._given_back)} of "
        rule += f"what it had fallen given back, in {in_a_row}"
        evidence = f"from {figure(best)} at {self._unit} {step:.0f} to {figure(value)} at {self.episode.to_step}; "
        evidence += f"it began at {figure(start)}"
        figures = {"best": best, "best_step": step, "last": value, "start": start}
        if best > 0:
            figures["ratio"] = value / best
        yield Finding(self.kind, self.episode, rule, evidence, figures)
