"""What a load has brought, as the contract tells it."""

from collections.abc import Sequence
from datetime import datetime

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.loading.ledger import ChunkRecord
from services.ib_host.store.bar_store import BarStore


def instrument_load(
    store: BarStore,
    key: bars_pb2.DatasetKey,
    records: Sequence[ChunkRecord],
    *,
    start: datetime,
    end: datetime,
) -> ib_pb2.InstrumentLoad:
    """Describe the load of one instrument; where the gateway had no bars at all, its dataset has no rows.

    Args:
        store: where the bars are.
        key: of the dataset.
        records: of its chunks.
        start: of the range.
        end: of the range, exclusive.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    load = ib_pb2.InstrumentLoad(
        dataset=bars_pb2.Dataset(key=key),
        received_rows=sum(record.received for record in records),
        new_rows=sum(record.new for record in records),
        done_chunks=sum(record.outcome == "done" for record in records),
        empty_chunks=sum(record.outcome == "empty" for record in records),
    )
    snapshot = store.open(key)
    if snapshot is None:
        return load
    with snapshot:
        load.dataset.CopyFrom(snapshot.dataset)
        summary = snapshot.summary(start, end)
    load.range_rows = summary.rows
    if summary.first is not None and summary.last is not None:
        load.range_first_bar_time.FromDatetime(summary.first)
        load.range_last_bar_time.FromDatetime(summary.last)
    return load
