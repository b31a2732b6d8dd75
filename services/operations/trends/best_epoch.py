"""The best epoch so far."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_BEST_EPOCH

from services.operations.trends.finding import Episode, Finding, figure
from services.operations.trends.rows import Point


class BestEpoch:
    """Keeps the first epoch with the best value, as a training does that keeps the weights of its best epoch.

    NaN is never the best, and an equal value is no better.

    Args:
        series: The watched series.
        sign: 1 where lower is better, -1 where higher is.
    """

    kind: Final = VERDICT_KIND_BEST_EPOCH

    def __init__(self, series: str, sign: int) -> None:
        self.episode = Episode(series)
        self._sign = sign
        self._best = math.inf
        self._best_step = 0
        self._first_step: int | None = None
        self._since = 0

    def take(self, point: Point) -> None:
        """Look at the next epoch."""
        if self._first_step is None:
            self._first_step = point.step
        value = self._sign * point.value
        if value < self._best:
            self._best, self._best_step, self._since = value, point.step, 0
            self.episode.first_ns = point.time_ns
        else:
            self._since += 1
        if self._best < math.inf:
            first_ns = self.episode.first_ns
            facts = (self._sign * self._best, self._best_step, point.value, self._since)
            self.episode.hold(point, facts, from_step=self._first_step)
            self.episode.first_ns = first_ns

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        best, step, last, since = self.episode.facts
        which = "lowest" if self._sign > 0 else "highest"
        evidence = f"{figure(best)} at epoch {step:.0f}"
        evidence += f"; {figure(last)} at epoch {self.episode.to_step}" if since else ", the newest"
        figures = {"best": best, "best_step": step, "last": last, "epochs_since": since}
        yield Finding(self.kind, self.episode, f"{which} {self.episode.series} so far", evidence, figures)
