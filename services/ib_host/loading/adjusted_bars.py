"""Bars adjusted for dividends beside those that an earlier load has stored: what the new ones do not reach is kept.

A dividend, or a split, moves all earlier prices by one factor. So the oldest bars that both have show by how much all
bars before them have moved since.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.loading.repair import at_new_prices
from services.ib_host.revisions.compare import compare
from services.ib_host.revisions.factor import common_factor, rounding
from services.ib_host.store.columns import between, instant, times_of

_PRICES: Final = ("open", "high", "low", "close")
_MOST_COMPARED: Final = 20
_FEWEST: Final = 3
_WIDEST: Final = 0.001
"""How uncertain the factor may be, relative to itself."""


def with_older(stored: pa.Table, received: pa.Table) -> pa.Table | None:
    """Return all received bars, and before them the older stored ones at the prices of today.

    Args:
        stored: with the columns of the store, ascending.
        received: likewise, at least one.

    Returns:
        None where both have no bars in common that tell how prices have moved.
    """
    older = between(stored, None, instant(int(times_of(received)[0])))
    if older.num_rows == 0:
        return received
    revision = _moved(stored, received)
    if revision is None:
        return None
    return pa.concat_tables([at_new_prices(older, revision), received]).combine_chunks()


def _moved(stored: pa.Table, received: pa.Table) -> bars_pb2.Revision | None:
    """Return how prices of before have moved since bars were stored; None where that does not show."""
    _, in_stored, in_received = np.intersect1d(
        times_of(stored), times_of(received), assume_unique=True, return_indices=True
    )
    count = min(_MOST_COMPARED, len(in_stored))
    # The fewer bars, the less likely it is that a dividend was paid among them.
    while count >= _FEWEST:
        before = stored.take(pa.array(in_stored[:count]))
        after = received.take(pa.array(in_received[:count]))
        revision = compare(before, after)
        if revision is None:
            return bars_pb2.Revision(price_ratio=1.0)
        if revision.kind == bars_pb2.Revision.KIND_SPLIT:
            return revision
        old, new = _prices(before), _prices(after)
        factor = common_factor(old, new, stored_rounding=rounding(old), received_rounding=rounding(new))
        if factor is not None and factor.high - factor.low <= _WIDEST * factor.low:
            return bars_pb2.Revision(price_ratio=(factor.low + factor.high) / 2)
        count //= 2
    return None


def _prices(bars: pa.Table) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.column_stack([bars.column(name).to_numpy() for name in _PRICES])
