"""Epochs that take much longer than they usually did."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_WARNING, VERDICT_KIND_THROUGHPUT_DROP

from services.operations.trends.finding import Episode, Finding, Transitions, figure
from services.operations.trends.rows import Point
from services.operations.trends.smoothing import median
from services.operations.trends.thresholds import Thresholds

_USUAL_OF: Final = 15
_LEAST_KNOWN: Final = 5


class ThroughputDrop:
    """Compares the time from one epoch to the next with the median of the last ones that were not slow.

    Args:
        series: Series whose points are counted.
        thresholds: Of all rules.
        transitions: Counts what is told at once.
        points: Points that make an epoch; more than one for series of batches.
    """

    kind: Final = VERDICT_KIND_THROUGHPUT_DROP

    __slots__ = (
        "_began", "_durations", "_left", "_new", "_points", "_slow", "_slow_from", "_thresholds", "_usual", "episode",
    )  # fmt: skip

    def __init__(self, series: str, thresholds: Thresholds, transitions: Transitions, *, points: int = 1) -> None:
        self.episode = Episode(series, transitions)
        self._thresholds = thresholds
        self._usual: float | None = None
        self._new = 0
        self._points = points
        self._left = 0
        self._began: Point | None = None
        self._durations: deque[float] = deque(maxlen=_USUAL_OF)
        self._slow = 0
        self._slow_from = 0

    def take(self, point: Point) -> None:
        """Look at the next point."""
        if self._left > 1:
            self._left -= 1
            return
        self._left = self._points
        began, self._began = self._began, point
        if began is None:
            return
        steps = point.step - began.step if self._points == 1 else 1
        seconds = (point.time_ns - began.time_ns) / 1e9
        if steps > 1:
            seconds /= steps
        rules = self._thresholds
        usual = self._usual
        if usual is not None and seconds > rules.throughput_ratio * usual and seconds >= rules.throughput_seconds:
            self._slow += 1
            if self._slow == 1:
                self._slow_from = point.step
            if self._slow >= rules.throughput_epochs:
                facts = (usual, seconds, self._slow)
                self.episode.hold(point, facts, from_step=self._slow_from, severity=SEVERITY_WARNING)
            return
        self._slow = 0
        self.episode.end()
        self._durations.append(max(0.0, seconds))
        self._new += 1
        if self._new == _LEAST_KNOWN:  # what is usual changes slowly
            self._usual, self._new = median(self._durations), 0

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        if not self.episode.facts:
            return
        usual, seconds, slow = self.episode.facts
        what = "an epoch" if self._points == 1 else f"{self._points} batches"
        rules = self._thresholds
        rule = f"{what} takes more than {rules.throughput_ratio:.3g} times as long as usual, "
        rule += f"{rules.throughput_epochs} times in a row"
        evidence = f"{figure(seconds)} s at {self.episode.to_step}, usually {figure(usual)} s; "
        evidence += f"{slow:.0f} slow ones in a row, from {self.episode.from_step}"
        figures = {"usual_seconds": usual, "seconds": seconds, "slow": slow}
        if usual > 0:
            figures["ratio"] = seconds / usual
        yield Finding(self.kind, self.episode, rule, evidence, figures)
