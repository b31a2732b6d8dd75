"""Read the tombstones that are kept in memory."""

from typing import Final

from services.operations.deletion.tombstones import Deletions
from services.operations.store_reader import StoreReader

KEPT_IN_MEMORY: Final = 10_000
"""Deletions that watches find without asking the store."""


async def load_deletions(reader: StoreReader, *, kept: int = KEPT_IN_MEMORY) -> Deletions:
    """Return the deletions that the store tells of, the latest in memory.

    Args:
        reader: Questions to the store.
        kept: How many to keep in memory.
    """
    latest = await reader.latest_tombstones(kept)
    compacted = await reader.compacted_revision()
    floor = latest[0].revision - 1 if len(latest) == kept else compacted
    return Deletions(latest, floor=max(floor, compacted), compacted=compacted, kept=kept)
