"""Find the journals whose blocks an earlier life of the registry may have left small."""

from typing import Final

from sqlalchemy import ColumnElement, literal_column, select, tuple_

from services.operations import schema
from services.operations.history.merging.blocks import JournalKey
from services.operations.store_reader import StoreReader

_ROWS_AT_ONCE: Final = 1_000
_MERGED_REVISION: Final = "merged_revision"
_LAST_ROW: Final = 2**62


class EarlierJournals:
    """Goes through all blocks that were written since an earlier life of the registry had gone through them.

    Args:
        reader: Questions to the store.
        end: The last revision of earlier lives.

    Attributes:
        finished: All have been returned.
        noted: It is noted in the store.
    """

    def __init__(self, reader: StoreReader, end: int) -> None:
        self._reader = reader
        self._end = end
        self._place: tuple[int, int] | None = None
        self.finished = False
        self.noted = False

    async def next(self) -> list[JournalKey]:
        """Return some journals, each that has blocks among the next ones."""
        blocks = schema.metric_blocks
        if self._place is None:
            self._place = (await self._counter(), _LAST_ROW)
        row_id: ColumnElement[int] = literal_column("metric_blocks.rowid")
        query = (
            select(*(blocks.c[name] for name in JournalKey._fields), blocks.c.revision, row_id)
            .where(tuple_(blocks.c.revision, row_id) > self._place, blocks.c.revision <= self._end)
            .order_by(blocks.c.revision, row_id)
            .limit(_ROWS_AT_ONCE)
        )
        rows = await self._reader.tuples(query)
        self.finished = len(rows) < _ROWS_AT_ONCE
        if rows:
            self._place = (rows[-1][3], rows[-1][4])
        return list(dict.fromkeys(JournalKey(*row[:3]) for row in rows))

    def note(self) -> dict[str, int]:
        """Return the counter of the store that says that all have been looked at, and merged."""
        self.noted = True
        return {_MERGED_REVISION: self._end}

    async def _counter(self) -> int:
        table = schema.counters
        rows = await self._reader.tuples(select(table.c.value).where(table.c.name == _MERGED_REVISION))
        return int(rows[0][0]) if rows else -1
