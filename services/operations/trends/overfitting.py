"""The validation loss rises while the training loss falls."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_CRITICAL, SEVERITY_WARNING, VERDICT_KIND_OVERFITTING

from services.operations.trends.finding import Episode, Finding, Transitions, figure, percent
from services.operations.trends.rows import Point
from services.operations.trends.smoothing import Jumps, Smoothed
from services.operations.trends.thresholds import Thresholds

_NOISE_FACTOR: Final = 4.0
"""The rise has to be that many times the usual jump from one epoch to the next. For a flat curve with normal noise of
deviation s, the usual jump is 0.95 s, and a median of five deviates by 0.54 s: the lowest of many is about 1.5 s below
the middle, so another would have to be more than 2.3 s, four of its deviations, above it."""


class Overfitting:
    """Compares both curves with what they were where the validation loss was lowest.

    Args:
        series: The validation loss.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_OVERFITTING

    __slots__ = (
        "_best", "_in_a_row", "_jumps", "_lowest", "_lowest_step", "_thresholds", "_train", "_train_at_best", "_turn",
        "_turn_step", "_val", "episode",
    )  # fmt: skip

    def __init__(self, series: str, thresholds: Thresholds, transitions: Transitions) -> None:
        self.episode = Episode(series, transitions)
        self._thresholds = thresholds
        self._train = Smoothed()
        self._val = Smoothed()
        self._jumps = Jumps()
        self._lowest, self._lowest_step = math.inf, 0
        self._turn, self._turn_step = math.inf, 0
        self._best, self._train_at_best = math.inf, math.nan
        self._in_a_row = 0

    def take_training(self, point: Point) -> None:
        """Look at the next training loss."""
        if math.isfinite(point.value):
            self._train.take(point.value)

    def take(self, point: Point) -> None:
        """Look at the next validation loss, after the training loss of the same epoch."""
        if not math.isfinite(point.value) or not self._train:
            return
        if point.value < self._lowest:
            self._lowest, self._lowest_step = point.value, point.step
        self._val.take(point.value)
        self._jumps.take(point.value)
        val = self._val.value
        if val < self._best:
            self._best, self._train_at_best = val, self._train.value
            self._turn, self._turn_step = self._lowest, self._lowest_step
            self._in_a_row = 0
            self.episode.end()
            return
        rules, scale = self._thresholds, max(abs(self._best), 1e-12)
        rise, slack = val - self._best, 0.5 if self.episode.active else 1.0  # a little takes nothing back
        rises = rise > slack * rules.overfitting_rise * scale and rise > slack * _NOISE_FACTOR * self._jumps.noise
        train = self._train.value if rises else math.inf
        fall = (self._train_at_best - train) / max(abs(self._train_at_best), 1e-12)
        if not rises or fall < slack * rules.overfitting_fall:
            self._in_a_row = 0
            self.episode.end()
            return
        self._in_a_row += 1
        if self._in_a_row >= rules.overfitting_epochs or self.episode.active:
            critical = rise > rules.overfitting_critical_rise * scale
            facts = (self._turn, self._turn_step, val, self._train_at_best, train, rise / scale, fall)
            severity = SEVERITY_CRITICAL if critical else SEVERITY_WARNING
            self.episode.hold(point, facts, from_step=self._turn_step, severity=severity)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        best, step, val, train_then, train, rise, fall = self.episode.facts
        rules, to_step = self._thresholds, self.episode.to_step
        rule = f"{self.episode.series} more than {percent(rules.overfitting_rise)} and {_NOISE_FACTOR:.0f} usual jumps "
        rule += f"above its lowest in {rules.overfitting_epochs} epochs in a row, while the training loss has fallen "
        rule += f"by {percent(rules.overfitting_fall)} since"
        evidence = f"{self.episode.series} from {figure(best)} at epoch {step:.0f} to {figure(val)} at {to_step}; "
        evidence += f"training loss from {figure(train_then)} to {figure(train)} meanwhile; medians of five: "
        evidence += f"+{percent(rise)} and -{percent(fall)}"
        figures = {
            "best": best,
            "best_step": step,
            "last": val,
            "train_at_best": train_then,
            "train_last": train,
            "rise": rise,
            "fall": fall,
        }
        yield Finding(self.kind, self.episode, rule, evidence, figures)
