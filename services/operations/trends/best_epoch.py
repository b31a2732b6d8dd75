"""The best epoch so far."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_BEST_EPOCH

from services.operations.trends.finding import Episode, Finding, Transitions, figure
from services.operations.trends.rows import Point


class BestEpoch:
    """Keeps the first epoch with the best value, as a training does that keeps the weights of its best epoch.

    NaN is never the best, and an equal value is no better.

    Args:
        series: The watched series.
        sign: 1 where lower is better, -1 where higher is.
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_BEST_EPOCH

    __slots__ = ("_best", "_best_step", "_first_step", "_last", "_sign", "_since", "episode")

    def __init__(self, series: str, sign: int, transitions: Transitions) -> None:
        self.episode = Episode(series, transitions)
        self._sign = sign
        self._best = math.inf
        self._best_step = 0
        self._first_step: int | None = None
        self._since = 0
        self._last = 0.0

    def take(self, point: Point) -> None:
        """Look at the next epoch."""
        step, value, time_ns = point
        if self._first_step is None:
            self._first_step = step
        episode, signed = self.episode, self._sign * value
        if signed < self._best:
            self._best, self._best_step, self._since = signed, step, 0
            if not episode.active:
                episode.hold(point, (signed,), from_step=self._first_step)
            episode.first_ns = time_ns
        else:
            self._since += 1
        if episode.active:
            self._last, episode.to_step, episode.last_ns = value, step, time_ns

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        best, step, last, since = self._sign * self._best, self._best_step, self._last, self._since
        which = "lowest" if self._sign > 0 else "highest"
        evidence = f"{figure(best)} at epoch {step}"
        evidence += f"; {figure(last)} at epoch {self.episode.to_step}" if since else ", the newest"
        figures = {"best": best, "best_step": step, "last": last, "epochs_since": since}
        yield Finding(self.kind, self.episode, f"{which} {self.episode.series} so far", evidence, figures)
