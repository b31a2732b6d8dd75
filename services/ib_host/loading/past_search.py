"""Where a load stops going back, and where it goes on although the gateway says that history has begun."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.spans import within
from services.ib_host.loading.beginning import QUIET
from services.ib_host.loading.job import Job
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span
from services.ib_host.planning.steps import longest_stretch

_LOG = structlog.get_logger(__name__)


class PastSearch:
    """Knows the oldest bar of an instrument, and looks for older ones. What reads the ledger blocks.

    Args:
        job: the instrument.
        sizer: cuts spans.
    """

    def __init__(self, job: Job, sizer: ChunkSizer) -> None:
        self._job = job
        self._sizer = sizer
        self._oldest = job.closed
        self._has_bars = False
        self._looked_before: set[datetime] = set()

    def begins(self, stored: Span | None, whole: Span | None) -> None:
        """Begin with a plan.

        Args:
            stored: from the first stored bar on; None where none is stored.
            whole: what the load is about.
        """
        if stored is not None:
            self._oldest, self._has_bars = stored.start, True
        elif whole is not None:
            self._oldest = whole.end

    def saw(self, first: datetime) -> None:
        """Take note of the first bar of an answer."""
        self._oldest, self._has_bars = min(self._oldest, first), True

    def without_quiet_past(self, spans: Sequence[Span], ledger: DatasetLedger) -> Sequence[Span]:
        """Return what is left to ask where nobody says when history begins: after long without a bar, it has begun.

        Args:
            spans: to be asked for.
            ledger: of the version that is being made.
        """
        if not self._has_bars:  # of what is not traded any more the last bar may be long ago
            return spans
        if ledger.unknown(self._oldest - QUIET, self._oldest):
            return spans
        left = within(spans, self._oldest, self._job.closed)
        if left != spans:
            _LOG.info("history_begins", instrument=self._job.dataset_title, first_bar=self._oldest.isoformat())
        return left

    def beyond_the_head(self, ledger: DatasetLedger) -> Sequence[Span]:
        """Return what to look at next for bars from before the first one that the gateway says it has.

        Args:
            ledger: of the dataset.
        """
        beginning = self._job.beginning
        if beginning is None or beginning.head is None:
            return ()
        floor = beginning.floor
        while floor > beginning.limit:
            span = self._job.span(max(beginning.limit, floor - longest_stretch(self._job.bar)), floor)
            if span.start >= span.end:
                return ()
            known = ledger.known(span.start, span.end)
            if known and known[-1].end == span.end:
                if self._oldest >= span.end:
                    return ()
                floor = known[-1].start
            elif span.end in self._looked_before:
                return ()
            else:
                self._looked_before.add(span.end)
                chunk = self._sizer.next_chunk(span, newest_first=True)
                return [Span(chunk.start, chunk.end)]
        return ()
