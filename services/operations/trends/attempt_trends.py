"""All rules over the metrics of one attempt.

What they find depends on the rows and their order alone, and not on how they came in batches: a run over the stored
history finds the same.
"""

import copy
from collections.abc import Collection, Iterator
from math import isfinite
from typing import Self

from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_STALLED, Verdict, VerdictKind

from services.operations.trends.curves import Curves
from services.operations.trends.finding import Episode, Finding, Transitions
from services.operations.trends.not_finite import NotFinite
from services.operations.trends.rows import Point, Row
from services.operations.trends.series_names import SeriesNames
from services.operations.trends.stalled import Stalled
from services.operations.trends.thresholds import Thresholds

Mark = tuple["VerdictKind.ValueType", str, bool, int]
"""What of a verdict is told at once when it changes: kind, series, active, severity."""


class AttemptTrends:
    """The state of all rules.

    Args:
        thresholds: What they compare with.
        names: Which series they look at.
        keeps_stalls: Gaps that are over are told, too.

    Attributes:
        points: Values that were looked at, those that no rule cares for included.
    """

    def __init__(self, thresholds: Thresholds, names: SeriesNames, *, keeps_stalls: bool = True) -> None:
        self._thresholds = thresholds
        self._names = names
        self._incarnation = ""
        self._next_seq = 0
        self._transitions = Transitions()
        self._stalled = Stalled(thresholds, self._transitions, keeps=keeps_stalls)
        self._not_finite = NotFinite(self._transitions)
        self._curves = Curves(thresholds, self._transitions)
        self.points = 0

    @property
    def incarnation(self) -> str:
        """Journal of the newest row; empty before the first."""
        return self._incarnation

    def next_seq(self, incarnation: str) -> int:
        """Return the number of the first row of a journal that was not looked at."""
        return self._next_seq if incarnation == self._incarnation else 0

    def copy(self) -> Self:
        """Return a copy that goes on by itself."""
        return copy.deepcopy(self, {id(self._thresholds): self._thresholds, id(self._names): self._names})

    def take(self, incarnation: str, rows: Collection[Row]) -> None:
        """Look at the next rows of a journal, in order; those that were looked at are skipped."""
        if incarnation != self._incarnation:
            self._incarnation, self._next_seq = incarnation, 0
        for row in rows:
            if row.seq >= self._next_seq:
                self._next_seq = row.seq + 1
                self._take(row)

    @property
    def last_ns(self) -> int:
        """Time of the newest row, nanoseconds since the Unix epoch; 0 before the first."""
        return self._stalled.last_ns

    @property
    def patience_seconds(self) -> float:
        """How long nothing may come until it has stalled; infinite while that is not known."""
        return self._stalled.limit_seconds

    @property
    def transitions(self) -> int:
        """How often `marks` may have changed: while this is the same they are, but for a gap that is open."""
        return self._transitions.count

    def marks(self, idle_seconds: float = 0.0) -> tuple[Mark, ...]:
        """Return what is told at once when it changes.

        Args:
            idle_seconds: How long nothing has come after the newest row.
        """
        found = [_mark(rule.kind, rule.episode) for rule in self._curves.rules() if rule.episode.facts]
        found += [_mark(self._not_finite.kind, each) for each in self._not_finite.episodes.values()]
        stall = self._stalled.open(idle_seconds) or self._stalled.episode
        if stall.facts:
            found.append(_mark(VERDICT_KIND_STALLED, stall))
        return tuple(sorted(found))

    def findings(self, idle_seconds: float = 0.0) -> Iterator[Finding]:
        """Yield what was found, by kind.

        Args:
            idle_seconds: How long nothing has come after the newest row.
        """
        found = [finding for rule in self._curves.rules() for finding in rule.findings()]
        found += [*self._not_finite.findings(), *self._stalled.findings(idle_seconds)]
        yield from sorted(found, key=lambda finding: (finding.kind, finding.episode.series))

    def verdicts(self, idle_seconds: float = 0.0, kinds: "Collection[VerdictKind.ValueType]" = ()) -> list[Verdict]:
        """Return what was found as it is told.

        Args:
            idle_seconds: How long nothing has come after the newest row.
            kinds: Only these; empty for all.
        """
        return [each.verdict() for each in self.findings(idle_seconds) if not kinds or each.kind in kinds]

    def take_row(self, incarnation: str, row: Row) -> None:
        """Look at the next row of a journal, unless it was looked at."""
        if incarnation != self._incarnation:
            self._incarnation, self._next_seq = incarnation, 0
        if row.seq >= self._next_seq:
            self._next_seq = row.seq + 1
            self._take(row)

    def _take(self, row: Row) -> None:
        _, step, time_ns, names, values = row
        self.points += len(values)
        plan = self._names.plan(names)
        episodes = self._not_finite.episodes
        for place, name in plan.watched:
            value = values[place]
            if not isfinite(value) or (episodes and name in episodes):
                self._not_finite.take(name, Point(step, value, time_ns))
        self._stalled.take(step, time_ns, ends_epoch=plan.ends_epoch)
        if plan.fold is not None:
            self._curves.take_fold(values[plan.fold])
        if plan.roles:
            self._curves.take(plan.roles, row)


def _mark(kind: "VerdictKind.ValueType", episode: Episode) -> Mark:
    return kind, episode.series, episode.active, episode.severity
