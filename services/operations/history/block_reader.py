"""Read blocks of points from the store, while others write and merge them.

Each question is answered from one state of the store. Between two of them blocks may have been merged: so a reader goes
on from the row after the last one it has, and asks for the blocks that hold rows from there on; what it has of them
already it leaves out.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from services.operations.history.journal import Journal
from services.operations.store_reader import StoreReader

_NEVER_MET: Final = 1_000_000
"""Place of journals that the store has points of, but no row: after all others, by their first revision."""

_JOURNALS: Final = """
    SELECT first.incarnation, journals.ordinal, blocks.revision
    FROM (
        SELECT incarnation, min(first_seq) AS first_seq FROM metric_blocks
        WHERE operation_id = ?1 AND attempt = ?2 GROUP BY incarnation
    ) AS first
    JOIN metric_blocks AS blocks
    ON blocks.operation_id = ?1 AND blocks.attempt = ?2
    AND blocks.incarnation = first.incarnation AND blocks.first_seq = first.first_seq
    LEFT JOIN journals
    ON journals.operation_id = ?1 AND journals.attempt = ?2 AND journals.incarnation = first.incarnation
    """
_BLOCKS: Final = """
    SELECT last_seq, data FROM metric_blocks
    WHERE operation_id = ?1 AND attempt = ?2 AND incarnation = ?3
    AND first_seq >= coalesce((
        SELECT max(first_seq) FROM metric_blocks
        WHERE operation_id = ?1 AND attempt = ?2 AND incarnation = ?3 AND first_seq <= ?4
    ), 0)
    AND last_seq >= ?4 AND first_seq < ?5
    ORDER BY first_seq LIMIT ?6
    """
"""Blocks do not overlap: the first one that counts is the last one that begins at the start or before."""
_NO_END: Final = 2**63 - 1
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
        rows = await self._reader.fetch(_JOURNALS, (operation_id, attempt))
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
        end = _NO_END if end is None else end
        values = (journal.operation_id, journal.attempt, journal.incarnation, start, end, limit)
        rows = await self._reader.fetch(_BLOCKS, values)
        return Blocks([data for _, data in rows], rows[-1][0]) if rows else None
