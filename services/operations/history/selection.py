"""Which points of a table are wanted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from services.operations.history.query import MetricQuery
from services.operations.history.tables import Table


@dataclass(frozen=True)
class Selection:
    """Which points are wanted, within a journal.

    Attributes:
        names: Series; empty for all.
        first_seq: Lowest sequence number.
        end_seq: The one after the highest, None for all.
        from_step: Lowest step, None for all.
        to_step: Highest step, None for all.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    first_seq: int = 0
    end_seq: int | None = None
    from_step: int | None = None
    to_step: int | None = None

    @classmethod
    def of(cls, query: MetricQuery) -> "Selection":
        """Return what a query wants."""
        return cls(frozenset(query.series), query.after_seq + 1, query.before_seq, query.from_step, query.to_step)

    def of_tables(self, tables: Iterable[Table], *, start: int) -> Iterator[Table]:
        """Yield what is wanted of tables, from a sequence number on."""
        for table in tables:
            part = table.named(self.names).between(max(start, self.first_seq), self.end_seq)
            if part.names and len(part.seqs):
                part = self._within_steps(part)
                if len(part.seqs):
                    yield part

    def _within_steps(self, table: Table) -> Table:
        if self.from_step is None and self.to_step is None:
            return table
        # Steps need not rise: each phase of a job counts its own.
        wanted = np.ones(len(table.steps), np.bool_)
        if self.from_step is not None:
            wanted &= table.steps >= self.from_step
        if self.to_step is not None:
            wanted &= table.steps <= self.to_step
        return table.rows(wanted)
