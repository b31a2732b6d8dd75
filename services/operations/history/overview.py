"""Whole curves with points left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.operations.history.answer import ANSWER_BYTES, JournalPoints, bytes_of_a_point
from services.operations.history.downsampling import kept_points
from services.operations.history.journal import Journal
from services.operations.history.tables import Table

MOST_POINTS_OF_A_CURVE: Final = 100_000
"""So many fit into an answer in any case."""


class CurvePlace(NamedTuple):
    """A curve among those of an attempt: they are told by journal and name."""

    ordinal: int
    name: str


@dataclass(frozen=True)
class Curve:
    """One series of one journal.

    Attributes:
        journal: The journal.
        table: The points that are left.
        thinned: Others were left out.
    """

    journal: Journal
    table: Table
    thinned: bool

    @property
    def place(self) -> CurvePlace:
        """Its place among those of the attempt."""
        return CurvePlace(self.journal.ordinal, self.table.names[0])


def curves_of(found: Sequence[tuple[Journal, Sequence[Table]]], most: int) -> list[Curve]:
    """Return the curves of an attempt in their order, with at most `most` points of each series.

    The journals of an attempt share them by their length; each keeps one point at least.
    """
    most = min(most, MOST_POINTS_OF_A_CURVE)
    totals: dict[str, int] = {}
    for _, tables in found:
        for table in tables:
            for name in table.names:
                totals[name] = totals.get(name, 0) + len(table.seqs)
    curves = []
    for journal, tables in found:
        for table in tables:
            for name, values in zip(table.names, table.values, strict=True):
                alone = table._replace(names=(name,), values=(values,))
                kept = kept_points(values, max(1, most * len(values) // totals[name]))
                thinned = len(kept) < len(values)
                curves.append(Curve(journal, alone.rows(kept) if thinned else alone, thinned))
    return sorted(curves, key=lambda curve: curve.place)


class Overview:
    """Collects curves until an answer is full. One is taken in any case.

    Args:
        raw_rows: The points are going to travel as raw rows.

    Attributes:
        size: Bytes that the points take, about.
    """

    def __init__(self, *, raw_rows: bool) -> None:
        self._raw_rows = raw_rows
        self.size = 0
        self._curves: list[Curve] = []

    def add(self, curves: Iterable[Curve]) -> Curve | None:
        """Add curves; return the first that did not fit, if any."""
        for curve in curves:
            size = curve.table.points * bytes_of_a_point(curve.table, raw_rows=self._raw_rows)
            if self.size + size > ANSWER_BYTES and self._curves:
                return curve
            self.size += size
            self._curves.append(curve)
        return None

    def points(self) -> list[JournalPoints]:
        """Return what was collected."""
        together: dict[Journal, list[Curve]] = {}
        for curve in self._curves:
            together.setdefault(curve.journal, []).append(curve)
        return [
            JournalPoints(
                journal.operation_id,
                journal.attempt,
                journal.incarnation,
                [curve.table for curve in curves],
                frozenset(curve.table.names[0] for curve in curves if curve.thinned),
            )
            for journal, curves in together.items()
        ]
