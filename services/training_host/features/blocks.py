"""Rows in blocks."""

from collections.abc import Iterator
from typing import Final

BLOCK_ROWS: Final = 16_384


def row_blocks(rows: int) -> Iterator[slice]:
    """Cut rows into blocks whose inputs stay in the processor's cache while they are worked on column by column."""
    for start in range(0, rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, rows))
