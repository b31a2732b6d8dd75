"""A page of points: it is full at a number of points, or of bytes, and never splits a row."""

from collections.abc import Sequence

import numpy as np

from services.operations.history.answer import ANSWER_BYTES, JournalPoints, bytes_of_a_point
from services.operations.history.blocks import tables_in
from services.operations.history.journal import Journal
from services.operations.history.selection import Selection
from services.operations.history.tables import Table, TableBuilder


class Page:
    """Collects points, journal by journal, each in the order of its rows.

    Args:
        selection: Which points are wanted.
        room: Most points; one row is taken in any case.
        raw_rows: The points are going to travel as raw rows.

    Attributes:
        size: Bytes of blocks that were looked at.
        full: Something did not fit.
        seq: Sequence number of the first row that is not taken.
    """

    def __init__(self, selection: Selection, room: int, *, raw_rows: bool) -> None:
        self._selection = selection
        self._points_left = room
        self._bytes_left = ANSWER_BYTES
        self._raw_rows = raw_rows
        self._journals: list[tuple[Journal, TableBuilder]] = []
        self.size = 0
        self.full = False
        self.seq = 0

    def begin(self, journal: Journal, seq: int) -> None:
        """Go on with a journal, from the row with this sequence number."""
        self._journals.append((journal, TableBuilder()))
        self.seq = seq

    def add(self, blocks: Sequence[bytes], last_seq: int) -> None:
        """Add what is wanted and fits of blocks that follow each other, the last of which ends with `last_seq`."""
        self.size += sum(map(len, blocks))
        tables = list(self._selection.of_tables(tables_in(blocks), start=self.seq))
        end = self._end(tables, last_seq + 1)
        builder = self._journals[-1][1]
        for table in tables:
            part = table.between(0, end)
            self._points_left -= part.points
            self._bytes_left -= part.points * self._cost(table)
            builder.add(part)
        self.full = any(int(table.seqs[-1]) >= end for table in tables)
        self.seq = end

    def points(self) -> list[JournalPoints]:
        """Return what was collected."""
        return [
            JournalPoints(journal.operation_id, journal.attempt, journal.incarnation, builder.tables())
            for journal, builder in self._journals
        ]

    def _cost(self, table: Table) -> int:
        return bytes_of_a_point(table, raw_rows=self._raw_rows)

    def _end(self, tables: list[Table], after_all: int) -> int:
        """Return the sequence number of the first row that is not taken."""
        points = sum(table.points for table in tables)
        size = sum(table.points * self._cost(table) for table in tables)
        if not tables or (points <= self._points_left and size <= self._bytes_left):
            return after_all
        seqs = np.concatenate([table.seqs for table in tables])
        order = np.argsort(seqs, kind="stable")
        rows = [len(table.seqs) for table in tables]
        row_points = np.repeat([len(table.names) for table in tables], rows)[order]
        row_bytes = np.repeat([len(table.names) * self._cost(table) for table in tables], rows)[order]
        fits = (row_points.cumsum() <= self._points_left) & (row_bytes.cumsum() <= self._bytes_left)
        first_left, first = int(seqs[order[int(fits.argmin())]]), int(seqs[order[0]])
        anything = any(builder.any for _, builder in self._journals)
        return first_left if first_left > first or anything else first + 1
