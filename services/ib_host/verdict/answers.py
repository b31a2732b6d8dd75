"""What the ledger of a dataset says about bars that are not there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.store.columns import microseconds
from services.ib_host.verdict.grid import Times

Reason = bars_pb2.MissingSpan.Reason

NOT_ASKED: Final = -1
"""The number of the record of what was never asked for."""
_REASONS: Final = {
    SpanOutcome.DONE: bars_pb2.MissingSpan.REASON_LEFT_OUT,
    SpanOutcome.EMPTY: bars_pb2.MissingSpan.REASON_GATEWAY_HAS_NONE,
    SpanOutcome.FAILED: bars_pb2.MissingSpan.REASON_FAILED,
}


class Answers:
    """The records that are in force in a range.

    Args:
        records: ascending; none overlaps another.
        imported: the bars were brought by a person: nothing was asked of a gateway.
    """

    def __init__(self, records: Sequence[SpanRecord], *, imported: bool) -> None:
        self._records = records
        self._imported = imported
        self._starts = np.array([microseconds(record.start) for record in records], dtype=np.int64)
        self._ends = np.array([microseconds(record.end) for record in records], dtype=np.int64)

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self._records)

    def numbers(self, times: Times) -> Times:
        """Return for each time, in microseconds, the number of the record in force; NOT_ASKED: there is none."""
        if not self._records:
            return np.full(len(times), NOT_ASKED, dtype=np.int64)
        place = np.searchsorted(self._starts, times, side="right") - 1
        inside = (place >= 0) & (times < self._ends[place])
        return np.where(inside, place, NOT_ASKED)

    def reason(self, number: int) -> "Reason.ValueType":
        """Return why bars of a record are missing."""
        if self._imported:
            return bars_pb2.MissingSpan.REASON_LEFT_OUT
        if number == NOT_ASKED:
            return bars_pb2.MissingSpan.REASON_NOT_LOADED
        return _REASONS[self._records[number].outcome]

    def text(self, number: int, command: str) -> str:
        """Return the reason for people.

        Args:
            number: of the record.
            command: that loads the span.
        """
        if self._imported:
            return "not in what was imported"
        if number == NOT_ASKED:
            return f"not loaded yet; get it with: {command}"
        record = self._records[number]
        if record.outcome is SpanOutcome.EMPTY:
            words = f": {record.reason}" if record.reason else ""
            return f"the gateway has none{words} (asked {record.request})"
        if record.outcome is SpanOutcome.FAILED:
            return f"the request failed: {record.reason} (asked {record.request}); load it again with: {command}"
        return f"the gateway's answer has none (asked {record.request})"

    def open_spans(self, start: datetime, end: datetime) -> Sequence[tuple[datetime, datetime, int]]:
        """Return the parts of [start, end), with their record, that were not asked for or whose request failed."""
        found, at = [], start
        for number, record in enumerate(self._records):
            if record.start > at:
                found.append((at, record.start, NOT_ASKED))
            if record.outcome is SpanOutcome.FAILED:
                found.append((record.start, record.end, number))
            at = max(at, record.end)
        if at < end:
            found.append((at, end, NOT_ASKED))
        return found
