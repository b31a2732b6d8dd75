"""What lineage asks the store."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from services.operations.schema import dataset_uses, dataset_versions, operations
from services.operations.store_reader import StoreReader

_MOST_LOADS: Final = 20


class LineageReader:
    """Questions about who read and who left a dataset.

    Args:
        reader: Questions to the store.
    """

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader

    async def loads_of(self, fingerprint: str) -> list[str]:
        """Return the loads that left a dataset as it is then, newest first; at most 20."""
        table = dataset_versions
        query = (
            select(table.c.operation_id)
            .join(operations, operations.c.id == table.c.operation_id)
            .where(table.c.fingerprint == fingerprint)
            .order_by(operations.c.ended_us.desc(), operations.c.id)
        )
        return [row["operation_id"] for row in await self._reader.rows(query.limit(_MOST_LOADS))]

    async def readers_of(self, fingerprints: Collection[str]) -> list[str]:
        """Return the ended operations that read one of these datasets."""
        table = dataset_uses
        query = select(table.c.operation_id).where(table.c.fingerprint.in_(fingerprints)).distinct()
        return [row["operation_id"] for row in await self._reader.rows(query)]
