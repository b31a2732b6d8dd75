"""Values that are no numbers."""

import math
from collections.abc import Iterator
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_CRITICAL, VERDICT_KIND_NOT_FINITE

from services.operations.trends.finding import Episode, Finding, Transitions
from services.operations.trends.rows import Point

_MOST_SERIES: Final = 16


class NotFinite:
    """Looks for NaN and infinities. It holds while the newest value of a series is one.

    Args:
        transitions: Counts what is told at once.
    """

    kind: Final = VERDICT_KIND_NOT_FINITE

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self.episodes: dict[str, Episode] = {}

    def take(self, series: str, point: Point) -> None:
        """Look at the next value of a series."""
        episode = self.episodes.get(series)
        if math.isfinite(point.value):
            if episode is not None:
                episode.end()
            return
        if episode is None:
            if len(self.episodes) >= _MOST_SERIES:
                return
            episode = self.episodes[series] = Episode(series, self._transitions)
        first, count = (episode.from_step, episode.facts[1] + 1) if episode.active else (point.step, 1.0)
        episode.hold(point, (point.value, count), from_step=first, severity=SEVERITY_CRITICAL)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, by series."""
        for series in sorted(self.episodes):
            episode = self.episodes[series]
            value, count = episode.facts
            where = f"at {episode.from_step}" if count == 1 else f"from {episode.from_step} to {episode.to_step}"
            evidence = f"{value} {where}" + ("" if episode.active else "; numbers again after it")
            figures = {"points": count}
            yield Finding(self.kind, episode, f"a value of {series} is NaN or infinite", evidence, figures)
