"""What a load asks for, given what is stored and known."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome
from services.ib_host.ledger.spans import merged, without
from services.ib_host.loading.job import Job, LoadState
from services.ib_host.loading.keeping import Keeping
from services.ib_host.loading.seams import Seams
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.loading.wanted import bar_end, wanted
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span
from services.ib_host.store.bar_store import BarStore

_EVER: Final = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


class Plan(NamedTuple):
    """What to do for one instrument.

    Attributes:
        first: spans to ask for before anything else; ascending.
        then: spans to ask for after them; ascending.
        whole: the range of the load; None where there is nothing to load.
        stored: from the first stored bar to the end of the last; None where none is stored.
        skipped: chunks that are not asked for, because they are known.
        seams: knows the stored bars next to all this.
    """

    first: Sequence[Span]
    then: Sequence[Span]
    whole: Span | None
    stored: Span | None
    skipped: int
    seams: Seams


def make_plan(job: Job, state: LoadState, keeping: Keeping, store: BarStore, sizer: ChunkSizer) -> Plan:
    """Return what to ask for now. Blocks: call it in a thread.

    Args:
        job: the instrument.
        state: of the load.
        keeping: knows the ledger, and whether a repair is under way.
        store: where the bars are.
        sizer: knows how many requests spans take.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    times = StoredTimes.read(store, job.key)
    stored = Span(times.first, times.last + bar_end(job.bar)) if times.first and times.last else None
    floor = job.beginning.floor if job.beginning is not None else _EVER.start
    failed = [
        Span(record.start, record.end)
        for record in keeping.ledger.all_records()
        if record.outcome is SpanOutcome.FAILED
    ]
    want = wanted(state.wish, job.bar, closed=job.closed, floor=floor, stored=times, failed=failed)
    whole, ledger = want.whole, keeping.ledger
    newest_first = job.newest_first(state.wish)
    if keeping.repair is not None:
        spans = merged([*([stored] if stored else []), *([whole] if whole else [])])
        left = [span for start, end in spans for span in ledger.unknown(start, end)]
        made = StoredTimes.read(keeping.repair.store, job.key)
        seams = Seams(made, job.bar, sizer, newest_first=newest_first)
        return Plan(seams.apart(merged(left)), merged(left), whole, stored, 0, seams)
    seams = Seams(times, job.bar, sizer, newest_first=newest_first)
    if whole is None:
        return Plan((), (), None, stored, 0, seams)
    own = ledger.known_to(state.session, *whole)
    known = [span for start, end in want.spans for span in ledger.known(start, end)]
    # The last bars that are stored come again in any case; they meet themselves.
    again = without(want.again, own) if want.spans else []
    left = without([*without(want.spans, known), *want.again], own)
    then = without(left, again)
    skipped = sizer.estimate(without(known, [*own, *want.again]))
    return Plan(_first(again, seams.apart(then), then, seams), then, whole, stored, skipped, seams)


def forget_bars_that_are_gone(store: BarStore, key: bars_pb2.DatasetKey, ledger: DatasetLedger) -> None:
    """Believe no ledger that knows of bars beside a dataset that has none: someone removed the bars, and left it.

    Blocks. While another load works at the dataset, its first bars would seem to be gone.

    Args:
        store: where the bars are.
        key: of the dataset, complete.
        ledger: of the dataset.

    Raises:
        OSError: it can't be written.
        ServiceError: STORE_CORRUPT, DATASET_BUSY.
    """
    done = [record for record in ledger.all_records() if record.outcome is SpanOutcome.DONE]
    if done and StoredTimes.read(store, key).first is None:
        ledger.invalidate(done[0].start, done[-1].end, "the bars are gone")


def _first(again: Sequence[Span], apart: Sequence[Span], then: Sequence[Span], seams: Seams) -> Sequence[Span]:
    """Return what to ask for first; bars that a request for the rest reaches are not asked for by themselves."""
    reached = [span for span in again if then and seams.reaches(span, then)]
    return merged([*apart, *without(again, reached)])
