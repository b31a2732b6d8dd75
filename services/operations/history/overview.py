"""Whole curves with points left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from services.operations.history.answer import ANSWER_BYTES, JournalPoints, bytes_of_a_point
from services.operations.history.downsampling import kept_points
from services.operations.history.journal import Journal
from services.operations.history.tables import Table, joined

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

    Args:
        found: The points of each journal, as tables that follow each other.
        most: Most points of a series.
    """
    most = min(most, MOST_POINTS_OF_A_CURVE)
    parts: dict[tuple[Journal, str], list[Table]] = {}
    for journal, tables in found:
        for table in tables:
            for name, values in zip(table.names, table.values, strict=True):
                parts.setdefault((journal, name), []).append(table._replace(names=(name,), values=(values,)))
    totals: dict[str, int] = {}
    for (_, name), tables in parts.items():
        totals[name] = totals.get(name, 0) + _rows(tables)
    curves = [
        _curve(journal, tables, max(1, most * _rows(tables) // totals[name]))
        for (journal, name), tables in parts.items()
    ]
    return sorted(curves, key=lambda curve: curve.place)


def _rows(tables: Iterable[Table]) -> int:
    return sum(len(table.seqs) for table in tables)


def _curve(journal: Journal, tables: Sequence[Table], most: int) -> Curve:
    """Return what is to be kept of a curve: only its values are put together, the rest is taken where it is."""
    if _rows(tables) <= most:
        return Curve(journal, joined(tables)[0], thinned=False)
    kept = kept_points(np.concatenate([table.values[0] for table in tables]), most)
    chosen, start = [], 0
    for table in tables:
        end = start + len(table.seqs)
        chosen.append(table.rows(kept[kept.searchsorted(start) : kept.searchsorted(end)] - start))
        start = end
    return Curve(journal, joined(chosen)[0], thinned=True)


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
