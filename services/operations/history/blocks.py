"""Blocks of points in the store.

There are two forms: the small blocks that answers of hosts leave behind are protobuf messages, written as cheaply as
possible; the large ones that these are merged into are columns (see `block_layout`).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import Session

from services.operations.history import block_layout
from services.operations.history.fresh_blocks import fresh_tables
from services.operations.history.marks import rows_shown_between
from services.operations.history.series_wire import to_series
from services.operations.history.tables import Table, joined
from services.operations.history.wire import varint

_METRICS_TAG: Final = varint(Session.DESCRIPTOR.fields_by_name["metrics"].number << 3 | 2)
_ONE_BYTE_LENGTHS: Final = [_METRICS_TAG + varint(length) for length in range(0x80)]


def pack(series: Iterable[MetricSeries]) -> bytes:
    """Return all series of a batch as one text of bytes: a `ktrdr.host.v1.Session` with nothing but its metrics."""
    parts = []
    for one in series:
        data = one.SerializeToString()  # joined here, as making a Session of them copies each series first
        length = len(data)
        parts += [_ONE_BYTE_LENGTHS[length] if length < 0x80 else _METRICS_TAG + varint(length), data]
    return b"".join(parts)


def unpack(data: bytes) -> list[MetricSeries]:
    """Return the series of a block, of either form."""
    if data.startswith(block_layout.MARK):
        return to_series(block_layout.decode(data))
    return list(Session.FromString(data).metrics)


def tables_in(blocks: Sequence[bytes]) -> Iterator[Table]:
    """Yield the points of blocks that follow each other, of either form."""
    for merged, run in groupby(blocks, key=lambda data: data.startswith(block_layout.MARK)):
        if merged:
            for data in run:
                yield from block_layout.decode(data)
        else:
            yield from fresh_tables(list(run))


def tables_of_blocks(blocks: Sequence[bytes]) -> list[Table]:
    """Return the points of blocks that follow each other, of either form, put together."""
    return joined(tables_in(blocks))


def rows_between(data: bytes, marks: bytes | None, revision: int, after: int, up_to: int) -> list[MetricSeries]:
    """Return the points of a block that were shown at revisions above `after` and not above `up_to`, by series.

    Args:
        data: The block.
        marks: Which of its rows were shown when; None if all were shown at once.
        revision: Revision at which its last row was shown.
        after: A revision.
        up_to: A later one.
    """
    shown = rows_shown_between(marks, revision, after, up_to)
    if shown is None:
        return []
    if shown.everything:
        return unpack(data)
    parts = (table.between(shown.first_seq, shown.end_seq) for table in tables_in([data]))
    return to_series([part for part in parts if len(part.seqs)])
