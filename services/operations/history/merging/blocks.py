"""Read blocks that are to be merged, and write the one that they become."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Executable, delete, func, select, update

from services.operations import schema
from services.operations.history import block_layout
from services.operations.history.blocks import tables_of_blocks
from services.operations.history.marks import MarkedBlock, marks_of
from services.operations.history.merging.plan import FULL_POINTS, MOST_BLOCKS, BlockSize
from services.operations.store_reader import StoreReader

_BLOCKS: Final = schema.metric_blocks
_SIZES: Final = """
    SELECT first_seq, points FROM metric_blocks
    WHERE operation_id = ?1 AND attempt = ?2 AND incarnation = ?3 AND first_seq >= (
        SELECT min(first_seq) FROM metric_blocks
        WHERE operation_id = ?1 AND attempt = ?2 AND incarnation = ?3 AND points < ?4
    )
    ORDER BY first_seq LIMIT ?5
    """
_CONTENTS: Final = """
    SELECT first_seq, last_seq, points, revision, marks, data FROM metric_blocks
    WHERE operation_id = ?1 AND attempt = ?2 AND incarnation = ?3 AND first_seq BETWEEN ?4 AND ?5
    ORDER BY first_seq
    """


class JournalKey(NamedTuple):
    """A journal of an operation, as the store names it."""

    operation_id: str
    attempt: int
    incarnation: str

    @property
    def condition(self) -> list[ColumnElement[bool]]:
        """Condition of its blocks."""
        return [_BLOCKS.c[name] == value for name, value in self._asdict().items()]


class Block(NamedTuple):
    """A block with everything that is known of it."""

    first_seq: int
    last_seq: int
    points: int
    revision: int
    marks: bytes | None
    data: bytes


class Merge(NamedTuple):
    """Neighbours, and the block that they become.

    Attributes:
        journal: Whose.
        blocks: How many they are.
        whole: What they become.
    """

    journal: JournalKey
    blocks: int
    whole: Block

    def statements(self) -> list[Executable]:
        """Return what puts the one block into the place of the others, within a transaction.

        Nothing happens where the blocks are not there as they were read: the operation was deleted meanwhile.
        """
        old, new = _BLOCKS.alias(), self.whole
        mine = [old.c[name] == value for name, value in self.journal._asdict().items()]
        counted = (
            select(func.count()).select_from(old).where(*mine, old.c.first_seq.between(new.first_seq, new.last_seq))
        )
        first = [*self.journal.condition, _BLOCKS.c.first_seq == new.first_seq]
        grown = update(_BLOCKS).where(*first, counted.scalar_subquery() == self.blocks).values(new._asdict())
        there = select(old.c.first_seq).where(*mine, old.c.first_seq == new.first_seq, old.c.last_seq == new.last_seq)
        rest = _BLOCKS.c.first_seq > new.first_seq, _BLOCKS.c.first_seq <= new.last_seq
        return [grown, delete(_BLOCKS).where(*self.journal.condition, *rest, there.exists())]


async def sizes_of(reader: StoreReader, journal: JournalKey) -> list[BlockSize]:
    """Return the blocks of a journal, in order, from the first one that is not full; not all if they are many."""
    rows = await reader.fetch(_SIZES, (*journal, FULL_POINTS, 2 * MOST_BLOCKS))
    return [BlockSize(*row) for row in rows]


async def blocks_of(reader: StoreReader, journal: JournalKey, group: Sequence[BlockSize]) -> list[Block]:
    """Return the blocks of a group."""
    rows = await reader.fetch(_CONTENTS, (*journal, group[0].first_seq, group[-1].first_seq))
    return [Block(*row) for row in rows]


def merged(journal: JournalKey, blocks: Sequence[Block]) -> Merge:
    """Return the merge of neighbours."""
    marked = (MarkedBlock(block.last_seq, block.revision, block.marks) for block in blocks)
    return Merge(
        journal,
        len(blocks),
        Block(
            first_seq=blocks[0].first_seq,
            last_seq=blocks[-1].last_seq,
            points=sum(block.points for block in blocks),
            revision=blocks[-1].revision,
            marks=marks_of(marked),
            data=block_layout.encode(tables_of_blocks([block.data for block in blocks])),
        ),
    )
