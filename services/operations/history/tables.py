"""Points in memory: tables of columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_Kind = TypeVar("_Kind", bound=np.generic)


class Table(NamedTuple):
    """Points of the series that were written together: one row for each event, in the order of sequence numbers.

    Attributes:
        names: The series.
        seqs: Sequence number of each row.
        steps: Step of each row.
        times: Time of each row, nanoseconds since the Unix epoch, UTC.
        values: For each series its value in each row.
    """

    names: tuple[str, ...]
    seqs: Integers
    steps: Integers
    times: Integers
    values: tuple[Numbers, ...]

    @property
    def points(self) -> int:
        """Values over all series."""
        return len(self.seqs) * len(self.names)

    def named(self, names: frozenset[str]) -> Self:
        """Return the table with these series only; all if there are no names."""
        if not names or names.issuperset(self.names):
            return self
        chosen = [place for place, name in enumerate(self.names) if name in names]
        return self._replace(
            names=tuple(self.names[place] for place in chosen), values=tuple(self.values[place] for place in chosen)
        )

    def part(self, start: int, end: int) -> Self:
        """Return the rows `start` to `end`, by their place."""
        if start <= 0 and end >= len(self.seqs):
            return self
        return self.rows(slice(max(start, 0), end))

    def between(self, start: int, end: int | None) -> Self:
        """Return the rows with sequence numbers from `start` to below `end`."""
        first = int(self.seqs.searchsorted(start))
        last = len(self.seqs) if end is None else int(self.seqs.searchsorted(end))
        return self.part(first, last)

    def rows(self, which: "slice | Integers | NDArray[np.bool_]") -> Self:
        """Return some of the rows."""
        return self._replace(
            seqs=self.seqs[which],
            steps=self.steps[which],
            times=self.times[which],
            values=tuple(column[which] for column in self.values),
        )


@dataclass
class TableBuilder:
    """Puts tables that follow each other together into as few as hold the same points.

    Series that were in the same tables all the time stay together in one.
    """

    _parts: dict[str, list[tuple[Table, int]]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """There are points."""
        return bool(self._parts)

    def add(self, table: Table) -> None:
        """Append rows: of each series they come after those that are there."""
        if len(table.seqs):
            for place, name in enumerate(table.names):
                self._parts.setdefault(name, []).append((table, place))

    def tables(self) -> list[Table]:
        """Return everything, with the series in the order of their names."""
        together: dict[tuple[int, ...], list[str]] = {}
        for name in sorted(self._parts):
            together.setdefault(tuple(id(table) for table, _ in self._parts[name]), []).append(name)
        return [self._joined(names) for names in together.values()]

    def _joined(self, names: Sequence[str]) -> Table:
        tables = [table for table, _ in self._parts[names[0]]]
        return Table(
            names=tuple(names),
            seqs=_concatenated([table.seqs for table in tables]),
            steps=_concatenated([table.steps for table in tables]),
            times=_concatenated([table.times for table in tables]),
            values=tuple(_concatenated([table.values[place] for table, place in self._parts[name]]) for name in names),
        )


def _concatenated(columns: list[NDArray[_Kind]]) -> NDArray[_Kind]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def joined(tables: Iterable[Table]) -> list[Table]:
    """Return tables that follow each other as few that hold the same points."""
    builder = TableBuilder()
    for table in tables:
        builder.add(table)
    return builder.tables()
