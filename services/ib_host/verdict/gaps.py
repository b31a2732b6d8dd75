"""Missing bars, gathered into stretches."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.verdict.answers import Answers
from services.ib_host.verdict.grid import Slots, Times

_HOUR: Final = 3_600_000_000
_DENSE: Final = 0.9
_Span = bars_pb2.MissingSpan


class Gap(NamedTuple):
    """A stretch of missing bars that are next to each other, all for one reason.

    Attributes:
        start: of the first, in microseconds since the Unix epoch.
        end: of the last.
        bars: how many.
        record: number of the record that says why.
        first_day, last_day: trading days of the first and the last, as proleptic ordinals.
        first, last: their places among all expected bars.
    """

    start: int
    end: int
    bars: int
    record: int
    first_day: int
    last_day: int
    first: int
    last: int


class Gaps:
    """Gathers missing bars, range after range of time.

    Args:
        answers: what is known of each time.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._gaps: list[Gap] = []
        self._expected_of_day: dict[int, int] = {}
        self._left_out_of_day: dict[int, int] = {}
        self.expected = 0
        self.missing = 0
        self._left_out = 0

    def add(self, slots: Slots, missing: npt.NDArray[np.bool_]) -> None:
        """Add the room for bars in the next range of time, and which of it is empty."""
        place = np.flatnonzero(missing)
        records = self._answers.numbers(slots.times[place])
        left_out = np.array([self._is_left_out(int(number)) for number in np.unique(records)], dtype=bool)
        is_left_out = left_out[np.unique(records, return_inverse=True)[1]] if len(place) else np.empty(0, dtype=bool)
        _count(self._expected_of_day, slots.days)
        _count(self._left_out_of_day, slots.days[place][is_left_out])
        self._gather(slots, place, records)
        self.expected += len(slots.times)
        self.missing += len(place)
        self._left_out += int(is_left_out.sum())

    @property
    def gaps(self) -> Sequence[Gap]:
        """All of them, oldest first."""
        return self._gaps

    def counting(self, *, holidays_known: bool, bar_microseconds: int) -> Sequence[bool]:
        """Tell of each gap whether the gateway may have its bars, so that the dataset is not complete.

        What was not asked for, or whose request failed, counts; what the gateway says it does not have does not. Bars
        that its answer left out are bars without a trade, unless a whole session is; or an hour or more of it in a
        dataset that has nine of ten bars otherwise. Where holidays are not known, what was left out never counts.

        Args:
            holidays_known: a session that is expected took place.
            bar_microseconds: length of a bar.
        """
        whole = np.array(
            sorted(day for day, count in self._left_out_of_day.items() if count == self._expected_of_day[day]),
            dtype=np.int64,
        )
        in_whole = sum(self._expected_of_day[int(day)] for day in whole)
        others_missing = self.missing - self._left_out
        asked_for = self.expected - others_missing - in_whole
        stored = self.expected - self.missing
        dense = asked_for > 0 and stored >= _DENSE * asked_for
        verdicts = []
        for gap in self._gaps:
            reason = self._answers.reason(gap.record)
            if reason == _Span.REASON_LEFT_OUT:
                low, high = np.searchsorted(whole, (gap.first_day, gap.last_day + 1))
                long = dense and gap.bars * bar_microseconds >= _HOUR
                verdicts.append(holidays_known and (bool(high > low) or long))
            else:
                verdicts.append(reason != _Span.REASON_GATEWAY_HAS_NONE)
        return verdicts

    def _is_left_out(self, record: int) -> bool:
        return self._answers.reason(record) == _Span.REASON_LEFT_OUT

    def _gather(self, slots: Slots, place: Times, records: Times) -> None:
        if not len(place):
            return
        new = np.append(True, (np.diff(place) != 1) | (np.diff(records) != 0))
        firsts = np.flatnonzero(new)
        lasts = np.append(firsts[1:], len(place)) - 1
        for first, last in zip(firsts, lasts, strict=True):
            low, high = place[first], place[last]
            self._put(
                Gap(
                    start=int(slots.times[low]),
                    end=int(slots.ends[high]),
                    bars=int(last - first + 1),
                    record=int(records[first]),
                    first_day=int(slots.days[low]),
                    last_day=int(slots.days[high]),
                    first=self.expected + int(low),
                    last=self.expected + int(high),
                )
            )

    def _put(self, gap: Gap) -> None:
        before = self._gaps[-1] if self._gaps else None
        if before is not None and before.record == gap.record and before.last + 1 == gap.first:
            self._gaps[-1] = gap._replace(
                start=before.start, bars=before.bars + gap.bars, first_day=before.first_day, first=before.first
            )
        else:
            self._gaps.append(gap)


def _count(counts: dict[int, int], days: Times) -> None:
    for day, count in zip(*np.unique(days, return_counts=True), strict=True):
        counts[int(day)] = counts.get(int(day), 0) + int(count)
