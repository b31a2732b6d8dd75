"""Storing bars from elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import FieldViolation, ServiceError
from services.common.threads import in_thread
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.contracts.instruments import with_defaults
from services.ib_host.importing.faults import refused
from services.ib_host.importing.spool import Spool
from services.ib_host.importing.table import Imported, imported_table
from services.ib_host.loading.spec import invalid_request
from services.ib_host.store.bar_store import BarStore
from services.ib_host.streaming.bars_query import key_faults

MOST_BYTES: Final = 2**30
_ALWAYS_POSITIVE: Final = frozenset({bars_pb2.SECURITY_TYPE_STOCK, bars_pb2.SECURITY_TYPE_FOREX})


class BarImports:
    """Stores what ImportBars calls bring: all of it, or nothing.

    Calls are taken in side by side, and read one after the other, as each may need a gigabyte of memory.

    Args:
        store: the bars.
        folder: on the disk of the store, for what has arrived; nothing stays there.
    """

    def __init__(self, store: BarStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._turn = asyncio.Lock()

    async def run(self, requests: AsyncIterator[ib_pb2.ImportBarsRequest]) -> ib_pb2.ImportBarsResponse:
        """Store the bars of one call.

        Args:
            requests: its messages; when the caller goes away, nothing is stored.

        Raises:
            ServiceError: INVALID_REQUEST, DATASET_BUSY, STORAGE_FULL, STORE_CORRUPT.
        """
        first = await anext(requests, None)
        if first is None:
            raise invalid_request([FieldViolation("key", "is missing: the call has no messages")])
        key = _complete(first.key)
        spool = Spool(self._folder)
        try:
            await self._receive(first, requests, spool)
            async with self._turn:
                # To the host a caller that goes away looks like one that has sent all, and only then like one that has
                # gone: reading and checking come first, and what is cancelled meanwhile is not stored.
                imported = await in_thread(_read, key, spool)
                return await in_thread(self._keep, key, imported, replace=first.replace)
        except OSError as error:
            reason = ErrorReason.ERROR_REASON_STORAGE_FULL
            raise ServiceError(reason, path="data/imports", detail=error.strerror or "") from error
        finally:
            spool.close()

    async def _receive(
        self, first: ib_pb2.ImportBarsRequest, requests: AsyncIterator[ib_pb2.ImportBarsRequest], spool: Spool
    ) -> None:
        await in_thread(spool.write, first.arrow_ipc)
        async for request in requests:
            if request.HasField("key"):
                raise invalid_request([FieldViolation("key", "belongs into the first message only")])
            if spool.size + len(request.arrow_ipc) > MOST_BYTES:
                raise refused("has more than 1 GiB: bring the bars in several calls")
            await in_thread(spool.write, request.arrow_ipc)

    def _keep(self, key: bars_pb2.DatasetKey, imported: Imported, *, replace: bool) -> ib_pb2.ImportBarsResponse:
        store = self._store.replace if replace else self._store.merge
        outcome = store(key, imported.bars)
        return ib_pb2.ImportBarsResponse(
            dataset=outcome.dataset, received_rows=imported.received_rows, new_rows=outcome.new_rows
        )


def _read(key: bars_pb2.DatasetKey, spool: Spool) -> Imported:
    file = spool.whole()
    if file is None:
        raise refused("does not end as an Arrow IPC stream does: close its writer before the last bytes are sent")
    positive = key.instrument.security_type in _ALWAYS_POSITIVE
    return imported_table(file, BAR_LENGTHS[key.bar_size], positive=positive)


def _complete(key: bars_pb2.DatasetKey) -> bars_pb2.DatasetKey:
    """Return the key of the dataset that is meant, with what empty fields stand for.

    Raises:
        ServiceError: INVALID_REQUEST, with every field that is wrong.
    """
    faults = [FieldViolation(f"key.{field}", text) for field, text in key_faults(key)]
    if not key.instrument.symbol.strip():
        faults.append(FieldViolation("key.instrument.symbol", "is missing"))
    if key.source not in {bars_pb2.SOURCE_UNSPECIFIED, bars_pb2.SOURCE_IMPORTED}:
        text = "is SOURCE_IMPORTED or left out: bars that no gateway sent are never mixed with others"
        faults.append(FieldViolation("key.source", text))
    if key.instrument.time_zone and not _is_time_zone(key.instrument.time_zone):
        faults.append(
            FieldViolation("key.instrument.time_zone", 'is no IANA name of a time zone, as "America/New_York"')
        )
    if faults:
        raise invalid_request(faults)
    return bars_pb2.DatasetKey(
        source=bars_pb2.SOURCE_IMPORTED,
        instrument=with_defaults(key.instrument),
        what_to_show=key.what_to_show or bars_pb2.WHAT_TO_SHOW_TRADES,
        use_rth=key.use_rth if key.HasField("use_rth") else True,
        bar_size=key.bar_size,
    )


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
