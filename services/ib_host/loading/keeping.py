"""What is done with the bars of a chunk: compared with what is stored, stored, and written down. In this order."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.timestamps import to_timestamp
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.loading.chunk_fetch import Fetched
from services.ib_host.loading.noticing import comparable, noticed, span_of
from services.ib_host.loading.repair import Repair
from services.ib_host.loading.session_ledger import ChunkRecord, SessionLedger
from services.ib_host.loading.wanted import bar_end
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.span import Span
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import between, instant, table_of, times_of
from services.ib_host.store.identity import bar_length

_MOMENT = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


class Kept(NamedTuple):
    """What came of a chunk.

    Attributes:
        received: bars of the chunk that came.
        new: of these, bars that were not stored before.
        first, last: times of the first and the last of them.
        revision: how bars that came again differ from stored ones; None: in nothing that counts.
    """

    received: int
    new: int
    first: datetime | None
    last: datetime | None
    revision: bars_pb2.Revision | None


class Keeping:
    """Keeps what a load gets of one dataset. Every method blocks: call it in a thread.

    Bars are durable before the ledger says so: killed in between, the chunk is asked for once more, nothing is lost.

    Args:
        store: of all datasets.
        key: of this one, complete.
        number: of the instrument within the load.
        session: id of the load's session.
        counts: the chunks that the load has done.
        closed: bars that start at it, or later, are not over, and are not kept.
        settled: from it on bars may be missing that come later: nothing after the last that came counts as known.
        clock: for the times of records.
    """

    def __init__(
        self,
        store: BarStore,
        key: bars_pb2.DatasetKey,
        *,
        number: int,
        session: str,
        counts: SessionLedger,
        closed: datetime,
        settled: datetime,
        clock: Clock,
    ) -> None:
        self._store = store
        self._key = key
        self._number = number
        self._session = session
        self._counts = counts
        self._closed = closed
        self._settled = settled
        self._clock = clock
        self._folder = store.folder(key)
        self._main_ledger = DatasetLedger.open(self._folder)
        self.repair = Repair.pending(store, key)
        self.revisions: list[bars_pb2.Revision] = [self.repair.revision] if self.repair else []

    @property
    def ledger(self) -> DatasetLedger:
        """What is known of the version that is being made: of a repair, or else of the dataset."""
        return self.repair.ledger if self.repair is not None else self._main_ledger

    @property
    def main_ledger(self) -> DatasetLedger:
        """What is known of the version that readers see."""
        return self._main_ledger

    def keep(self, chunk: Chunk, fetched: Fetched, *, source: str, reason: str = "") -> Kept:
        """Store the bars of a chunk, and count it as over.

        A change of all prices begins a repair first, and the bars go there.

        Args:
            chunk: that was asked for.
            fetched: what came.
            source: name of the bars' source.
            reason: why there are none, for people, where the gateway refused instead of saying so.

        Raises:
            ServiceError: as BarStore.merge; STORAGE_FULL.
        """
        received = between(table_of(fetched.bars), None, self._closed)
        bars = between(received, chunk.start, chunk.end)
        revision = self._noticed(comparable(received, chunk, bar_length(self._key)))
        if revision is not None:
            self._note(revision)
        store = self.repair.store if self.repair is not None else self._store
        new = store.merge(self._key, bars).new_rows if bars.num_rows else 0
        count = ChunkRecord(
            instrument=self._number,
            chunk=chunk.key,
            outcome="done" if bars.num_rows else "empty",
            received=bars.num_rows,
            new=new,
            source=source,
        )
        outcome = SpanOutcome.DONE if bars.num_rows else SpanOutcome.EMPTY
        times = times_of(bars)
        first, last = (instant(int(times[0])), instant(int(times[-1]))) if bars.num_rows else (None, None)
        known = Span(chunk.start, self._known_end(chunk.end, last))
        try:
            self._counts.add(count)
            if known.start < known.end:
                record = self._record(known, outcome, fetched.request, reason, received=bars.num_rows, new=new)
                self.ledger.add(record)
        except OSError as error:
            raise _storage_full(error) from error
        return Kept(bars.num_rows, new, first, last, revision)

    def fail(self, span: Chunk | Span, *, request: str, reason: str) -> None:
        """Write down that a stretch could not be had.

        Raises:
            ServiceError: STORAGE_FULL.
        """
        try:
            self.ledger.add(self._record(span, SpanOutcome.FAILED, request, reason))
        except OSError as error:
            raise _storage_full(error) from error

    def ask_again(self, spans: Sequence[Span], reason: str) -> None:
        """Know nothing of some spans any more: this load asks again, or, should it be killed, the next one of any mode.

        Raises:
            ServiceError: STORAGE_FULL.
        """
        for span in spans:
            self.fail(span, request="", reason=reason)

    def first_asked(self) -> datetime | None:
        """Return the time of a bar from the first answer that the session had; None where it had none with bars."""
        own = [
            record
            for record in self.ledger.all_records()
            if record.session == self._session and record.outcome is SpanOutcome.DONE
        ]
        store = self.repair.store if self.repair is not None else self._store
        snapshot = store.open(self._key)
        if not own or snapshot is None:
            return None
        earliest = min(own, key=lambda record: record.time)
        with snapshot:
            return snapshot.summary(earliest.start, earliest.end).first

    def publish(self) -> None:
        """Make the repaired version the one that readers see.

        Raises:
            ServiceError: as BarStore.replace; STORAGE_FULL.
        """
        if self.repair is None:
            return
        try:
            self.repair.publish()
        except OSError as error:
            raise _storage_full(error) from error
        self.repair = None

    def _known_end(self, end: datetime, last: datetime | None) -> datetime:
        """Return up to where a chunk that ends at `end`, and whose last bar is of `last`, is known now."""
        if end <= self._settled:
            return end
        if last is None:
            return self._settled
        bar = bar_length(self._key)
        # The first of a session's bars of an hour may be shorter: the next one begins before its length is over.
        alone = _SECOND if bar.length >= _HOUR and not bar.dated else bar_end(bar)
        return min(end, max(self._settled, last + alone))

    def _noticed(self, received: pa.Table) -> bars_pb2.Revision | None:
        store = self.repair.store if self.repair is not None else self._store
        snapshot = store.open(self._key) if received.num_rows else None
        if snapshot is None:
            return None
        own = [record for record in self.ledger.records(*span_of(received)) if record.session == self._session]
        with snapshot:
            return noticed(snapshot, received, own)

    def _note(self, revision: bars_pb2.Revision) -> None:
        all_prices = revision.price_ratio != 0.0
        what = "all stored bars are loaded again" if all_prices else "what is around is loaded again"
        revision.text = f"{revision.text}; {what}"
        revision.notice_time.CopyFrom(to_timestamp(self._clock.now()))
        try:
            RevisionLog.open(self._folder).add(revision)
            if all_prices:
                self.repair = Repair.begin(self._store, self._key, revision, instead_of=self.repair)
                self._forget_stored(revision.text)
        except OSError as error:
            raise _storage_full(error) from error
        self.revisions.append(revision)

    def _forget_stored(self, reason: str) -> None:
        snapshot = self._store.open(self._key)
        if snapshot is not None:
            with snapshot:
                dataset = snapshot.dataset
            first, last = dataset.first_bar_time.ToDatetime(UTC), dataset.last_bar_time.ToDatetime(UTC)
            self._main_ledger.invalidate(first, last + _MOMENT, reason)

    def _record(
        self, span: Chunk | Span, outcome: SpanOutcome, request: str, reason: str, *, received: int = 0, new: int = 0
    ) -> SpanRecord:
        return SpanRecord(
            start=span.start,
            end=span.end,
            outcome=outcome,
            received=received,
            new=new,
            reason=reason,
            time=self._clock.now(),
            request=request,
            session=self._session,
        )


def _storage_full(error: OSError) -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_STORAGE_FULL, path="data/bars", detail=error.strerror or type(error).__name__
    )
