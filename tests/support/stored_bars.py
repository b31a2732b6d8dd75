"""Bars to put into a store, and what a store has."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA, microseconds


def bar_key(
    size: bars_pb2.BarSize.ValueType, source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_REPLAY
) -> bars_pb2.DatasetKey:
    """Return the key of bars of AAPL."""
    instrument = bars_pb2.Instrument(
        symbol="AAPL",
        contract_id=265598,
        security_type=bars_pb2.SECURITY_TYPE_STOCK,
        exchange="SMART",
        currency="USD",
        time_zone="America/New_York",
    )
    return bars_pb2.DatasetKey(
        source=source,
        instrument=instrument,
        what_to_show=bars_pb2.WHAT_TO_SHOW_TRADES,
        use_rth=True,
        bar_size=size,
    )


def bars_from(
    start: datetime, count: int, *, step: timedelta = timedelta(days=1), close: float | None = None
) -> pa.Table:
    """Return bars whose prices depend on their time, or are all the same.

    Args:
        start: of the first, aware.
        count: how many.
        step: from one to the next.
        close: of all of them, where it is given.
    """
    times = microseconds(start) + np.arange(count) * (step // timedelta(microseconds=1))
    prices = times % 9_973 / 100 + 50 if close is None else np.full(count, close)
    columns = [times.astype("<i8"), prices, prices + 1, prices - 1, prices, prices * 10, prices, times % 17]
    arrays = [pa.array(values).cast(field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def read_all(store: BarStore, key: bars_pb2.DatasetKey) -> pa.Table:
    """Return all bars of a dataset that is there."""
    snapshot = store.open(key)
    assert snapshot is not None
    with snapshot:
        return pa.concat_tables([SCHEMA.empty_table(), *snapshot.tables()]).combine_chunks()
