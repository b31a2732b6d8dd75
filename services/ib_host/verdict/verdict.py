"""The verdict about a dataset."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.ledger.records import SpanRecord
from services.ib_host.loading.closing import settled_until
from services.ib_host.sessions.session import NoCalendar, SessionCalendar
from services.ib_host.store.columns import times_of
from services.ib_host.store.identity import bar_length
from services.ib_host.store.snapshot import Snapshot
from services.ib_host.verdict.answers import Answers
from services.ib_host.verdict.dated import compare_dated
from services.ib_host.verdict.gaps import GapSearch
from services.ib_host.verdict.hours import Hours
from services.ib_host.verdict.intraday import IntradayBars
from services.ib_host.verdict.soundness import COLUMNS, Soundness, prices_are_positive
from services.ib_host.verdict.spans import open_span, spans_of

_MOST_REVISIONS: Final = 100
_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime(1800, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Calendars can be made for these times; there are no bars before or after."""


def judge(
    snapshot: Snapshot,
    records: Sequence[SpanRecord],
    calendar: SessionCalendar | None,
    revisions: Sequence[bars_pb2.Revision],
    *,
    start: datetime,
    end: datetime,
    most_spans: int,
    now: datetime | None = None,
    proceed: Callable[[], None] = lambda: None,
) -> bars_pb2.DatasetVerdict:
    """Say how complete and how sound a dataset is. It blocks: call it in a thread.

    Args:
        snapshot: the version to look at.
        records: what was asked of the gateway for it, ascending, none overlapping another: all that was in force before
            the snapshot was opened. What a load has written down since then is of bars that the snapshot has not.
        calendar: its sessions; None: none are known.
        revisions: changes of its bars that were noticed, newest first.
        start: first instant to look at, aware; of dated bars the date counts. Nothing before 1800 is looked at.
        end: aware, exclusive; nothing from 2200 on is looked at.
        most_spans: at most so many missing spans are listed: first those that the gateway may have.
        now: what ends later is not expected yet; None: all of [start, end) is over.
        proceed: called after each piece of the work; what it raises ends the work.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    judgement = _Judgement(snapshot, records, start=start, end=end, now=now, proceed=proceed)
    verdict = judgement.compared(calendar or NoCalendar(_unknown(snapshot.dataset.key)), most_spans)
    verdict.revisions.extend(revisions[:_MOST_REVISIONS])
    return verdict


class _Judgement:
    """One range of one dataset."""

    def __init__(
        self,
        snapshot: Snapshot,
        records: Sequence[SpanRecord],
        *,
        start: datetime,
        end: datetime,
        now: datetime | None,
        proceed: Callable[[], None],
    ) -> None:
        self._snapshot = snapshot
        self._dataset = snapshot.dataset
        self._key = self._dataset.key
        self._bar = bar_length(self._key)
        self._start, self._end = max(_EARLIEST, start.astimezone(UTC)), min(_LATEST, end.astimezone(UTC))
        if self._bar.dated:
            self._start = datetime.combine(self._start.date(), time(), UTC)
            self._end = datetime.combine((self._end - timedelta(microseconds=1)).date() + _DAY, time(), UTC)
        self._now = now
        self._proceed = proceed
        answers = list(_within(records, self._start, self._end))
        self._answers = Answers(answers, imported=self._key.source == bars_pb2.SOURCE_IMPORTED)
        self._soundness = Soundness(positive=prices_are_positive(self._key))
        self._rows = 0

    def compared(self, calendar: SessionCalendar, most_spans: int) -> bars_pb2.DatasetVerdict:
        hours = Hours(calendar, self._start, self._end)
        search = GapSearch(self._answers)
        unexpected = self._compare(hours, search) if self._start < self._end else 0
        gaps = search.found(
            holidays_known=hours.knows_holidays, bar_microseconds=self._bar.length // timedelta(microseconds=1)
        )
        missing = spans_of(gaps, self._answers, self._key, most_spans)
        missing_spans, incomplete = len(gaps), bool(gaps.counting.any())
        if hours.known is None and self._answers.any:
            end = self._end
            if self._now is not None:  # what has just ended is not known yet, whoever asks
                end = settled_until(self._now, end, self._bar, calendar=None)
            spans = self._answers.open_spans(self._start, end) if self._start < end else []
            missing = [open_span(span, self._answers, self._key) for span in spans[:most_spans]]
            missing_spans, incomplete = len(spans), bool(spans)
        return bars_pb2.DatasetVerdict(
            dataset=self._dataset,
            start_time=to_timestamp(self._start),
            end_time=to_timestamp(self._end),
            calendar=hours.name,
            expected_bars=search.expected,
            stored_bars=self._rows,
            missing_bars=search.missing,
            missing=missing,
            missing_spans=missing_spans,
            unexpected_bars=unexpected,
            duplicate_bars=self._soundness.duplicates,
            unordered_bars=self._soundness.unordered,
            impossible_bars=self._soundness.impossible,
            faults=self._soundness.faults,
            complete=not incomplete and self._soundness.sound,
        )

    def _compare(self, hours: Hours, search: GapSearch) -> int:
        """Look at all bars, gather what is missing, and return how many are outside of the sessions."""
        if not self._bar.dated:
            intraday = IntradayBars(hours, self._bar.length, search, now=self._now)
            intraday.compare(self._start, self._end, self._bars)
            return intraday.unexpected
        times = [times_of(table) for table in self._bars(self._start, self._end)]
        stored = np.unique(np.concatenate(times)) if times else np.empty(0, dtype=np.int64)
        return compare_dated(hours, self._bar, search, stored, now=self._now)

    def _bars(self, start: datetime, end: datetime) -> Iterator[pa.Table]:
        self._proceed()
        for table in self._snapshot.tables(start, end, columns=COLUMNS):
            self._soundness.look(table)
            self._rows += table.num_rows
            yield table


def _within(records: Sequence[SpanRecord], start: datetime, end: datetime) -> Iterator[SpanRecord]:
    """Yield the parts of records that lie in [start, end)."""
    for record in records:
        low, high = max(record.start, start), min(record.end, end)
        if low < high:
            yield (
                record
                if (low, high) == (record.start, record.end)
                else record.model_copy(update={"start": low, "end": high})
            )


def _unknown(key: bars_pb2.DatasetKey) -> str:
    exchange = key.instrument.primary_exchange or key.instrument.exchange
    of, file = (exchange, exchange) if exchange else (key.instrument.symbol, f"symbols/{key.instrument.symbol}")
    return f"the sessions of {of} are not known; write them into data/calendars/{file}.toml"
