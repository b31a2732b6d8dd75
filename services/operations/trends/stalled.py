"""No point for several times the usual gap."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_WARNING, VERDICT_KIND_STALLED

from services.operations.trends.finding import Episode, Finding, Transitions, figure
from services.operations.trends.thresholds import Thresholds

_LEAST_GAPS: Final = 5
_COMES_AGAIN: Final = 20.0
"""A long gap is usual while it comes again within about that many times its length."""
_UNTIL_AN_EPOCH: Final = 10.0
"""The least time is that many times as long before a whole epoch was seen: its evaluation may take any time."""


class Stalled:
    """Knows how long the gaps between rows usually are.

    The usual gap follows the long ones: batches come fast, then an evaluation takes its time, and that is usual too.

    Two things are told: a gap that is over, by the times of the points; and the one that is open now, by whoever knows
    how long nothing has come.

    Args:
        thresholds: Of all rules.
        transitions: Counts what is told at once.
        keeps: Gaps that are over are told. Not for work that waits by its nature.

    Attributes:
        episode: The newest gap that is over.
        limit_seconds: Longest gap that is usual enough; infinite while too few were seen.
    """

    kind: Final = VERDICT_KIND_STALLED

    __slots__ = (
        "_epoch_seen",
        "_factor",
        "_gaps",
        "_keeps",
        "_last_ns",
        "_last_step",
        "_least",
        "_thresholds",
        "_usual",
        "episode",
        "limit_seconds",
    )  # fmt: skip

    def __init__(self, thresholds: Thresholds, transitions: Transitions, *, keeps: bool = True) -> None:
        self.episode = Episode("", transitions)
        self.limit_seconds = math.inf
        self._thresholds = thresholds
        self._keeps = keeps
        self._gaps = 0
        self._usual = 0.0
        self._epoch_seen = False
        self._factor = thresholds.stalled_gaps
        self._least = _UNTIL_AN_EPOCH * thresholds.stalled_seconds
        self._last_step = self._last_ns = 0

    @property
    def last_ns(self) -> int:
        """Time of the newest row, nanoseconds since the Unix epoch; 0 before the first."""
        return self._last_ns

    def take(self, step: int, time_ns: int, *, ends_epoch: bool) -> None:
        """Look at the next row.

        Args:
            step: Its step.
            time_ns: Its time, nanoseconds since the Unix epoch.
            ends_epoch: It tells of a whole epoch.
        """
        last_ns, last_step = self._last_ns, self._last_step
        if last_ns:
            self._learn(max(0.0, (time_ns - last_ns) / 1e9), last_step, last_ns)
        self._last_ns, self._last_step = time_ns, step
        if ends_epoch and not self._epoch_seen:
            self._epoch_seen, self._least = True, self._thresholds.stalled_seconds
            if self._gaps >= _LEAST_GAPS:
                self.limit_seconds = max(self._least, self._factor * self._usual)

    def _learn(self, gap: float, last_step: int, last_ns: int) -> None:
        limit, usual = self.limit_seconds, self._usual
        if gap > limit:
            if self._keeps:
                self._set(self.episode, last_step, last_ns, gap)
                self.episode.transitions.count += 1
            gap = limit  # should this be the new rhythm, it is learnt in some steps
        self._gaps += 1
        if gap >= usual:
            self._usual = gap
        else:
            self._usual = usual + gap / (_COMES_AGAIN * usual) * (gap - usual)
        if self._gaps >= _LEAST_GAPS:
            self.limit_seconds = max(self._least, self._factor * self._usual)

    def open(self, idle_seconds: float) -> Episode | None:
        """Return the stall that holds now.

        Args:
            idle_seconds: How long nothing has come after the newest row.
        """
        if idle_seconds <= self.limit_seconds:
            return None
        episode = Episode("", active=True)
        self._set(episode, self._last_step, self._last_ns, idle_seconds)
        return episode

    def findings(self, idle_seconds: float) -> Iterator[Finding]:
        """Yield the stall that holds, or else the newest one that is over."""
        episode = self.open(idle_seconds) or self.episode
        if not episode.facts:
            return
        usual, limit, last_seconds, *gap = episode.facts
        rules = self._thresholds
        rule = f"no point for {rules.stalled_gaps:.3g} times the usual gap, and for {rules.stalled_seconds:.3g} s "
        rule += f"({_UNTIL_AN_EPOCH * rules.stalled_seconds:.3g} s in the first epoch)"
        if episode.active:
            evidence = f"nothing has come after {episode.from_step} for more than {figure(limit)} s"
        else:
            evidence = f"{figure(gap[0])} s without a point after {episode.from_step}"
        evidence += f"; usual are gaps up to {figure(usual)} s"
        figures = {"usual_seconds": usual, "limit_seconds": limit, "last_point_seconds": last_seconds}
        if not episode.active:
            figures["seconds"] = gap[0]
        yield Finding(self.kind, episode, rule, evidence, figures)

    def _set(self, episode: Episode, last_step: int, last_ns: int, gap_seconds: float) -> None:
        limit = self.limit_seconds
        episode.severity = SEVERITY_WARNING
        episode.from_step = episode.to_step = last_step
        episode.first_ns = last_ns + round(limit * 1e9)
        episode.last_ns = last_ns + round(gap_seconds * 1e9)
        episode.facts = (self._usual, limit, last_ns / 1e9, gap_seconds)
