"""Which blocks of a journal are merged with which."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

ENOUGH_BLOCKS: Final = 64
"""So many neighbours of the same size class are merged while their journal grows."""
FULL_POINTS: Final = 32_768
"""A block with so many points (values over all series) stays as it is: half a megabyte at most, as a rule."""
MOST_BLOCKS: Final = 512
"""Most blocks that are merged at once, so that each step stays short."""


class BlockSize(NamedTuple):
    """A block of a journal.

    Attributes:
        first_seq: Its first sequence number: its key within the journal.
        points: Values over all series.
    """

    first_seq: int
    points: int


def groups_to_merge(blocks: Sequence[BlockSize], *, growing: bool) -> list[Sequence[BlockSize]]:
    """Return which neighbours are to become one block each.

    While a journal grows, blocks wait until there are enough of about the same size: so each point is written again
    three times at most, however long the journal becomes. Once it has ended, everything that is not full is merged.

    Args:
        blocks: All blocks of a journal, in order.
        growing: More are to be expected.
    """
    if not growing:
        return [group for run in _runs(blocks, FULL_POINTS) for group in _groups(run)]
    for size in (FULL_POINTS, ENOUGH_BLOCKS**2, ENOUGH_BLOCKS):
        worthwhile = [run for run in _runs(blocks, size) if _is_worthwhile(run, size)]
        if worthwhile:
            return [group for run in worthwhile for group in _groups(run)]
    return []


def _is_worthwhile(run: Sequence[BlockSize], size: int) -> bool:
    """Return whether there are enough blocks of a size class, or they fill a block: smaller ones go along then."""
    of_class = sum(block.points >= size // ENOUGH_BLOCKS for block in run)
    return of_class >= ENOUGH_BLOCKS or (size == FULL_POINTS and sum(block.points for block in run) >= size)


def _runs(blocks: Sequence[BlockSize], size: int) -> Iterator[Sequence[BlockSize]]:
    """Yield neighbours that all have fewer points than `size`."""
    start = 0
    for place, block in enumerate([*blocks, BlockSize(0, size)]):
        if block.points >= size:
            if start < place:
                yield blocks[start:place]
            start = place + 1


def _groups(run: Sequence[BlockSize]) -> Iterator[Sequence[BlockSize]]:
    """Cut neighbours into groups that make a full block each, or as much as is merged at once."""
    group: list[BlockSize] = []
    points = 0
    for block in run:
        group.append(block)
        points += block.points
        if len(group) == MOST_BLOCKS or points >= FULL_POINTS:
            if len(group) > 1:
                yield group
            group, points = [], 0
    if len(group) > 1:
        yield group
