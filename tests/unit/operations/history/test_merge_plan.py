"""Which blocks are merged: few are left, and no point is written again and again."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from services.operations.history.merging.plan import (
    ENOUGH_BLOCKS,
    FULL_POINTS,
    MOST_BLOCKS,
    BlockSize,
    groups_to_merge,
)

SIZES = st.lists(st.one_of(st.integers(1, 100), st.integers(1, 2 * FULL_POINTS)), max_size=300)


def blocks_of(sizes: list[int]) -> list[BlockSize]:
    return [BlockSize(place, points) for place, points in enumerate(sizes)]


def merged(blocks: list[BlockSize], *, growing: bool) -> tuple[list[BlockSize], int]:
    """Return what is left after one round, and how many points were written again."""
    written = 0
    for group in groups_to_merge(blocks, growing=growing):
        start = blocks.index(group[0])
        assert blocks[start : start + len(group)] == list(group), "only neighbours are merged"
        assert 2 <= len(group) <= MOST_BLOCKS
        assert all(block.points < FULL_POINTS for block in group)
        points = sum(block.points for block in group)
        assert points < 2 * FULL_POINTS
        blocks[start : start + len(group)] = [BlockSize(group[0].first_seq, points)]
        written += points
    return blocks, written


def settle(blocks: list[BlockSize], *, growing: bool) -> tuple[list[BlockSize], int]:
    written = 0
    while True:
        blocks, more = merged(blocks, growing=growing)
        written += more
        if not more:
            return blocks, written


@settings(deadline=None)
@given(SIZES)
def test_what_has_ended_becomes_full_blocks(sizes: list[int]) -> None:
    left, _ = settle(blocks_of(sizes), growing=False)
    assert sum(block.points for block in left) == sum(sizes)
    small = [block.points < FULL_POINTS for block in left]
    assert not any(one and other for one, other in itertools.pairwise(small)), "small neighbours are left"


@settings(deadline=None)
@given(SIZES)
def test_what_grows_has_few_small_blocks_next_to_each_other(sizes: list[int]) -> None:
    left, _ = settle(blocks_of(sizes), growing=True)
    assert sum(block.points for block in left) == sum(sizes)
    assert groups_to_merge(left, growing=True) == []


def test_a_journal_that_grows_by_single_rows_stays_in_few_blocks_and_is_written_thrice_at_most() -> None:
    for points_of_row in (1, 8, 300):
        blocks: list[BlockSize] = []
        written, most = 0, 0
        for seq in range(30_000):
            blocks.append(BlockSize(seq, points_of_row))
            if seq % ENOUGH_BLOCKS == 0:
                blocks, more = settle(blocks, growing=True)
                written += more
                most = max(most, sum(block.points < FULL_POINTS for block in blocks))
        assert written <= 3 * 30_000 * points_of_row
        assert most <= 3 * ENOUGH_BLOCKS
        assert sum(block.points for block in blocks) == 30_000 * points_of_row


def test_nothing_is_merged_before_it_is_worthwhile() -> None:
    assert groups_to_merge(blocks_of([8] * (ENOUGH_BLOCKS - 1)), growing=True) == []
    assert len(groups_to_merge(blocks_of([8] * ENOUGH_BLOCKS), growing=True)) == 1
    assert groups_to_merge(blocks_of([FULL_POINTS, 8]), growing=False) == []
    assert groups_to_merge(blocks_of([8]), growing=False) == []
