"""Look at the stored history of an attempt, from its beginning or from where somebody has stopped."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from services.operations.blocks import unpack
from services.operations.store_reader import StoredBlock
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.rows import rows_of

_BLOCKS_AT_ONCE: Final = 200


class BlockReader(Protocol):
    """Reads what is stored of an attempt's points."""

    async def blocks(
        self, operation_id: str, attempt: int, *, start: tuple[int, int], above_seq: int, limit: int
    ) -> Sequence[StoredBlock]:
        """Return batches of points in the order of their journals; see `StoreReader.blocks`."""


async def replay(
    reader: BlockReader, operation_id: str, attempt: int, trends: AttemptTrends, start: tuple[int, int] = (0, 0)
) -> None:
    """Let trends look at all rows of an attempt that are stored. The event loop is free meanwhile.

    Args:
        reader: Questions to the store.
        operation_id: Whose rows.
        attempt: Number of the attempt.
        trends: What looks at them; rows that it has seen are skipped.
        start: Where to begin: place of a journal among those of the attempt, and a sequence number in it.
    """
    while True:
        blocks = await reader.blocks(operation_id, attempt, start=start, above_seq=-1, limit=_BLOCKS_AT_ONCE)
        if blocks:
            await asyncio.to_thread(_look, trends, blocks)
            last = blocks[-1]
            start = (last.ordinal, trends.next_seq(last.incarnation))
        if len(blocks) < _BLOCKS_AT_ONCE:
            return


def _look(trends: AttemptTrends, blocks: Sequence[StoredBlock]) -> None:
    for block in blocks:
        trends.take(block.incarnation, rows_of(unpack(block.data)))
