"""Read blocks of points from the store, while others write and merge them.

Each question is answered from one state of the store. Between two of them blocks may have been merged: so a reader goes
on from the row after the last one it has, and asks for the blocks that hold rows from there on; what it has of them
already it leaves out.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from sqlalchemy import and_, func, select

from services.operations import schema
from services.operations.history.journal import Journal
from services.operations.store_reader import StoreReader

_NEVER_MET: Final = 1_000_000
"""Place of journals that the store has points of, but no row: after all others, by their first revision."""

_FIRST_BLOCKS: Final = 4
_MOST_BLOCKS: Final = 2_000


class Blocks(NamedTuple):
    """Blocks that follow each other.

    Attributes:
        data: Each block.
        last_seq: Sequence number of the last row.
    """

    data: list[bytes]
    last_seq: int

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(map(len, self.data))


class BlockReader:
    """Reads blocks.

    Args:
        reader: Questions to the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    async def journals(self, operation_id: str, attempt: int) -> list[Journal]:
        """Return the journals of an attempt that the store has points of, in their order."""
        blocks, journals = schema.metric_blocks, schema.journals
        mine = blocks.c.operation_id == operation_id, blocks.c.attempt == attempt
        found = select(blocks.c.incarnation, func.min(blocks.c.first_seq).label("first_seq"))
        first = found.where(*mine).group_by(blocks.c.incarnation).subquery()
        same = blocks.c.incarnation == first.c.incarnation, blocks.c.first_seq == first.c.first_seq
        met = journals.c.operation_id == operation_id, journals.c.attempt == attempt
        query = (
            select(first.c.incarnation, journals.c.ordinal, blocks.c.revision)
            .join(blocks, and_(*mine, *same))
            .join(journals, and_(*met, journals.c.incarnation == first.c.incarnation), isouter=True)
        )
        rows = await self._reader.tuples(query)
        placed = sorted(
            (_NEVER_MET + revision if ordinal is None else ordinal, incarnation)
            for incarnation, ordinal, revision in rows
        )
        return [Journal(operation_id, attempt, ordinal, incarnation) for ordinal, incarnation in placed]

    async def run(self, journal: Journal, start: int, end: int | None, *, most_bytes: int) -> AsyncIterator[Blocks]:
        """Yield all blocks of a journal that have rows from `start` to below `end` (None for all).

        Args:
            journal: Whose.
            start: A sequence number.
            end: A later one.
            most_bytes: What is to be read at once, about.
        """
        limit = _FIRST_BLOCKS
        while blocks := await self.blocks(journal, start=start, end=end, limit=limit):
            yield blocks
            if len(blocks.data) < limit:
                return
            start = blocks.last_seq + 1
            limit = min(_MOST_BLOCKS, max(_FIRST_BLOCKS, most_bytes * limit // (blocks.size + 1)))

    async def blocks(self, journal: Journal, *, start: int, end: int | None, limit: int) -> Blocks | None:
        """Return blocks of a journal, None if there are none.

        Args:
            journal: Whose.
            start: Only blocks that have rows from this sequence number on.
            end: Only blocks that have rows below it; None for all.
            limit: Most blocks.
        """
        blocks = schema.metric_blocks
        key = (
            blocks.c.operation_id == journal.operation_id,
            blocks.c.attempt == journal.attempt,
            blocks.c.incarnation == journal.incarnation,
        )
        # Blocks do not overlap: the first one that counts is the last one that begins at `start` or before.
        holding = select(func.max(blocks.c.first_seq)).where(*key, blocks.c.first_seq <= start).scalar_subquery()
        query = (
            select(blocks.c.last_seq, blocks.c.data)
            .where(*key, blocks.c.first_seq >= func.coalesce(holding, 0), blocks.c.last_seq >= start)
            .order_by(blocks.c.first_seq)
            .limit(limit)
        )
        rows = await self._reader.tuples(query if end is None else query.where(blocks.c.first_seq < end))
        return Blocks([data for _, data in rows], rows[-1][0]) if rows else None
