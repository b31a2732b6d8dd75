"""What a load has brought, as the contract tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.loading.beginning import Beginning
from services.ib_host.loading.session_ledger import ChunkRecord
from services.ib_host.loading.wanted import bar_end
from services.ib_host.planning.span import Span
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.sessions.choice import calendar_for
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.identity import bar_length
from services.ib_host.verdict.verdict import judge

MOST_SPANS: Final = 100
"""Stretches that a verdict in a result lists."""
_MOST_REVISIONS: Final = 100


@dataclass(frozen=True)
class Described:
    """Where descriptions of datasets come from.

    Attributes:
        store: the bars.
        home: the KTRDR home.
    """

    store: BarStore
    home: Path


def instrument_load(
    described: Described,
    key: bars_pb2.DatasetKey,
    records: Sequence[ChunkRecord],
    *,
    whole: Span | None,
    start: datetime | None = None,
    end: datetime | None = None,
    now: datetime | None = None,
    skipped: int = 0,
    beginning: Beginning | None = None,
    revisions: Sequence[bars_pb2.Revision] = (),
) -> ib_pb2.InstrumentLoad:
    """Describe the load of one instrument; where the gateway had no bars at all, its dataset has no rows. Blocks.

    Args:
        described: where the bars are.
        key: of the dataset.
        records: of its chunks.
        whole: the range of the load; None for that of the stored bars.
        start: narrows the range of the stored bars.
        end: likewise, exclusive.
        now: bars that end later are not expected yet.
        skipped: chunks that were not asked for.
        beginning: where history begins, where the gateway was asked.
        revisions: changes of stored bars that were noticed.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    load = ib_pb2.InstrumentLoad(
        dataset=bars_pb2.Dataset(key=key),
        received_rows=sum(record.received for record in records),
        new_rows=sum(record.new for record in records),
        done_chunks=sum(record.outcome == "done" for record in records),
        empty_chunks=sum(record.outcome == "empty" for record in records),
        skipped_chunks=skipped,
        revisions=revisions,
    )
    if beginning is not None and beginning.head is not None:
        load.head_time.CopyFrom(to_timestamp(beginning.head))
    folder = described.store.folder(key)
    # Before the snapshot: a load stores bars before it writes down that it has asked for them.
    asked = DatasetLedger.open(folder).all_records() if key.source != bars_pb2.SOURCE_IMPORTED else []
    snapshot = described.store.open(key)
    if snapshot is None:
        return load
    with snapshot:
        load.dataset.CopyFrom(snapshot.dataset)
        span = whole or _stored(snapshot.dataset, start, end)
        summary = snapshot.summary(span.start, span.end)
        load.verdict.CopyFrom(
            judge(
                snapshot,
                asked,
                calendar_for(described.home, folder, snapshot.dataset.key),
                RevisionLog.open(folder).newest(_MOST_REVISIONS),
                start=span.start,
                end=span.end,
                most_spans=MOST_SPANS,
                now=now,
            )
        )
    load.range_rows = summary.rows
    if summary.first is not None and summary.last is not None:
        load.range_first_bar_time.FromDatetime(summary.first)
        load.range_last_bar_time.FromDatetime(summary.last)
    return load


def _stored(dataset: bars_pb2.Dataset, start: datetime | None, end: datetime | None) -> Span:
    """Return the range of the stored bars, as far as a request asks for it."""
    first, last = (time.ToDatetime(tzinfo=UTC) for time in (dataset.first_bar_time, dataset.last_bar_time))
    length: timedelta = bar_end(bar_length(dataset.key))
    return Span(start or first, end or last + length)
