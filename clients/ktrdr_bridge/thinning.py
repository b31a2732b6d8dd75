"""Choose the rows that stay when a journal is thinned.

A series is one kind of row with one set of names. Thinning it one level further leaves every second row, and the first
and the last. Level n is every 2**n-th of the rows that were written: what was thinned before is only thinned on when
the newer rows have come as far, so that a series that is thinned many times has points all over its length, evenly.

The largest series are thinned, again and again, until the wanted share of space is free; the others stay whole.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ktrdr_bridge.layout import Kind
from ktrdr_bridge.rows import Run

_Key = tuple[Kind, tuple[str, ...]]
_LEAST_ROWS: Final = 3
_MOST_LEVEL: Final = 62


@dataclass(slots=True)
class _Tally:
    """The rows of a series: how many at which level, and how long one is at most."""

    by_level: dict[int, int] = field(default_factory=dict)
    row_bytes: int = 0

    @property
    def rows(self) -> int:
        return sum(self.by_level.values())

    def rows_at(self, level: int) -> int:
        """Return about how many rows there would be when none had a lower level than this."""
        return sum(rows >> max(level - now, 0) for now, rows in self.by_level.items()) + 1


@dataclass(slots=True)
class _Thinned:
    """A series that is thinned to a level. It has `rows` rows; the seen ones were `ordinal` rows once."""

    level: int
    rows: int
    seen: int = 0
    ordinal: int = 0


class Selection:
    """Tells, run by run in the journal's order, which rows stay."""

    def __init__(self, levels: dict[_Key, tuple[int, int]]) -> None:
        self._thinned = {key: _Thinned(level, rows) for key, (level, rows) in levels.items()}

    def level(self, run: Run) -> int:
        """Return the level of a run's series afterwards."""
        thinned = self._thinned.get(_key(run))
        return run.level if thinned is None else max(run.level, thinned.level)

    def keep(self, run: Run) -> Sequence[int]:
        """Return the numbers, within the run, of the rows that stay."""
        rows, thinned = len(run.seqs), self._thinned.get(_key(run))
        if thinned is None:
            return range(rows)
        stride = 1 << max(thinned.level - run.level, 0)
        kept = range(-(thinned.ordinal >> run.level) % stride, rows, stride)
        thinned.ordinal += rows << run.level
        thinned.seen += rows
        if thinned.seen == thinned.rows and rows - 1 not in kept:
            return [*kept, rows - 1]
        return kept


class Census:
    """Counts the rows of each series."""

    def __init__(self) -> None:
        self._tallies: dict[_Key, _Tally] = {}

    def count(self, run: Run) -> None:
        """Take a run of rows."""
        tally = self._tallies.setdefault(_key(run), _Tally())
        tally.by_level[run.level] = tally.by_level.get(run.level, 0) + len(run.seqs)
        tally.row_bytes = max(tally.row_bytes, run.context.row_bytes)

    def choose(self, share: float) -> Selection:
        """Choose the series to thin, and how far.

        Args:
            share: What part of the space to set free, if thinning can.
        """
        tallies = list(self._tallies.items())
        sizes = [(-tally.rows * tally.row_bytes, place) for place, (_, tally) in enumerate(tallies)]
        wanted = -share * sum(size for size, _ in sizes)
        levels: dict[_Key, tuple[int, int]] = {}
        heapq.heapify(sizes)
        while wanted > 0 and sizes:
            size, place = heapq.heappop(sizes)
            key, tally = tallies[place]
            level = levels.get(key, (min(tally.by_level), 0))[0] + 1
            if tally.rows_at(level - 1) <= _LEAST_ROWS or level > _MOST_LEVEL:
                continue
            levels[key] = level, tally.rows
            smaller = -tally.rows_at(level) * tally.row_bytes
            wanted -= smaller - size
            heapq.heappush(sizes, (smaller, place))
        return Selection(levels)


def _key(run: Run) -> _Key:
    return run.context.kind, run.names
