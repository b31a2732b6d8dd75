"""How bars that come again differ from what is stored, answer by answer."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.ledger.records import SpanRecord
from services.ib_host.loading.seams import cut_at_borders
from services.ib_host.planning.chunks import Chunk
from services.ib_host.revisions.compare import compare
from services.ib_host.store.columns import between, instant, times_of
from services.ib_host.store.snapshot import Snapshot

_MOMENT: Final = timedelta(microseconds=1)


def comparable(received: pa.Table, chunk: Chunk, bar: BarLength) -> pa.Table:
    """Return the bars that are surely whole: some may be cut off at the borders of an answer, outside the chunk.

    Args:
        received: ascending.
        chunk: that was asked for.
        bar: length of the bars.
    """
    if received.num_rows == 0 or not cut_at_borders(bar):
        return received
    times = times_of(received)
    low = 1 if instant(int(times[0])) < chunk.start else 0
    high = received.num_rows - (1 if instant(int(times[-1])) >= chunk.end else 0)
    return received.slice(low, max(0, high - low))


def span_of(received: pa.Table) -> tuple[datetime, datetime]:
    """Return the time from the first to the last of some bars, at least one: [start, end)."""
    times = times_of(received)
    return instant(int(times[0])), instant(int(times[-1])) + _MOMENT


def noticed(snapshot: Snapshot, received: pa.Table, own: Sequence[SpanRecord]) -> bars_pb2.Revision | None:
    """Return how bars differ from the stored ones of the same times; None: in nothing that counts. Blocks.

    Args:
        snapshot: what is stored.
        received: ascending, at least one.
        own: what the load itself has brought of their time, ascending.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    start, end = span_of(received)
    tables = list(snapshot.tables(start, end))
    if not tables:
        return None
    found = [compare(part, received) for part in _by_answer(pa.concat_tables(tables), start, end, own)]
    return _most_telling([revision for revision in found if revision is not None])


def _by_answer(stored: pa.Table, start: datetime, end: datetime, own: Sequence[SpanRecord]) -> Iterator[pa.Table]:
    """Yield stored bars that were told at one time, apart from others: one split lies before them, or after them.

    What earlier loads have brought agrees. Of this load, each answer may be the first that knows of a split.
    """
    at = start
    answers: dict[datetime, list[pa.Table]] = {}
    others: list[pa.Table] = []
    for record in own:
        others.append(between(stored, at, record.start))
        answers.setdefault(record.time, []).append(between(stored, record.start, record.end))
        at = record.end
    others.append(between(stored, at, end))
    for tables in (others, *answers.values()):
        table = pa.concat_tables(tables)
        if table.num_rows:
            yield table


def _most_telling(revisions: Sequence[bars_pb2.Revision]) -> bars_pb2.Revision | None:
    """Return one revision for all that some bars show: a change of all prices, or corrections from first to last."""
    if not revisions:
        return None
    for revision in revisions:
        if revision.price_ratio:
            return revision
    whole = bars_pb2.Revision()
    whole.CopyFrom(revisions[0])
    for revision in revisions[1:]:
        whole.bars += revision.bars
        if revision.start_time.ToDatetime() < whole.start_time.ToDatetime():
            whole.start_time.CopyFrom(revision.start_time)
        if revision.end_time.ToDatetime() > whole.end_time.ToDatetime():
            whole.end_time.CopyFrom(revision.end_time)
    return whole
