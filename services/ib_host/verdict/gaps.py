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

Flags = npt.NDArray[np.bool_]


class Gaps(NamedTuple):
    """Stretches of missing bars that are next to each other, each for one reason; oldest first, one number for each.

    Attributes:
        starts: of the first bar of each, in microseconds since the Unix epoch.
        ends: end of the last one, likewise.
        bars: how many.
        records: number of the record that says why.
        counting: whether the gateway may have the bars, so that the dataset is not complete.
    """

    starts: Times
    ends: Times
    bars: Times
    records: Times
    counting: Flags

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.starts)


class _Runs(NamedTuple):
    """Missing bars that are next to each other, in one range of time; one number for each run.

    Attributes:
        starts, ends, bars, records: as in `Gaps`.
        first_days, last_days: trading days of the first and the last bar, as proleptic ordinals.
        firsts, lasts: places of the first and the last bar among all that are expected.
    """

    starts: Times
    ends: Times
    bars: Times
    records: Times
    first_days: Times
    last_days: Times
    firsts: Times
    lasts: Times


class GapSearch:
    """Gathers missing bars, range after range of time; what it holds grows with the gaps, and not with the range.

    Args:
        answers: what is known of each time.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._runs: list[_Runs] = []
        self._expected_of_day: dict[int, int] = {}
        self._left_out_of_day: dict[int, int] = {}
        self._left_out = 0
        self.expected = 0
        self.missing = 0

    def add(self, slots: Slots, missing: Flags) -> None:
        """Add the room for bars in the next range of time, and which of it is empty."""
        place = np.flatnonzero(missing)
        records = self._answers.numbers(slots.times[place])
        left_out = self._have_reason(records, _Span.REASON_LEFT_OUT)
        _count(self._expected_of_day, slots.days)
        _count(self._left_out_of_day, slots.days[place[left_out]])
        if len(place):
            new = np.append(True, (np.diff(place) != 1) | (np.diff(records) != 0))
            first = np.flatnonzero(new)
            last = np.append(first[1:], len(place)) - 1
            low, high = place[first], place[last]
            self._runs.append(
                _Runs(
                    slots.times[low],
                    slots.ends[high],
                    last - first + 1,
                    records[first],
                    slots.days[low],
                    slots.days[high],
                    low + self.expected,
                    high + self.expected,
                )
            )
        self.expected += len(slots.times)
        self.missing += len(place)
        self._left_out += int(left_out.sum())

    def found(self, *, holidays_known: bool, bar_microseconds: int) -> Gaps:
        """Return what is missing.

        What was not asked for, or whose request failed, counts; what the gateway says it does not have does not. Bars
        that its answer left out are bars without a trade, unless a whole session is; or an hour or more of it in a
        dataset that has nine of ten bars otherwise. Where holidays are not known, what was left out never counts.

        Args:
            holidays_known: a session that is expected took place.
            bar_microseconds: length of a bar.
        """
        runs = _joined(self._runs)
        whole = np.array(
            sorted(day for day, count in self._left_out_of_day.items() if count == self._expected_of_day[day]),
            dtype=np.int64,
        )
        has_whole = np.searchsorted(whole, runs.last_days, side="right") > np.searchsorted(whole, runs.first_days)
        long = self._is_dense(whole) & (runs.bars * bar_microseconds >= _HOUR)
        counting = np.where(
            self._have_reason(runs.records, _Span.REASON_LEFT_OUT),
            holidays_known & (has_whole | long),
            ~self._have_reason(runs.records, _Span.REASON_GATEWAY_HAS_NONE),
        )
        return Gaps(runs.starts, runs.ends, runs.bars, runs.records, counting)

    def _have_reason(self, records: Times, reason: "_Span.Reason.ValueType") -> Flags:
        numbers, which = np.unique(records, return_inverse=True)
        return np.array([self._answers.reason(int(number)) == reason for number in numbers], dtype=bool)[which]

    def _is_dense(self, whole_days: Times) -> bool:
        """Tell whether nine of ten bars are there on days of which the gateway sent some."""
        in_whole = sum(self._expected_of_day[int(day)] for day in whole_days)
        answered = self.expected - (self.missing - self._left_out) - in_whole
        return answered > 0 and self.expected - self.missing >= _DENSE * answered


def _count(counts: dict[int, int], days: Times) -> None:
    for day, count in zip(*np.unique(days, return_counts=True), strict=True):
        counts[int(day)] = counts.get(int(day), 0) + int(count)


def _joined(parts: Sequence[_Runs]) -> _Runs:
    """Return all runs; one that goes on in the next range of time is one."""
    runs = _Runs(*(np.concatenate(columns) for columns in zip(*parts, strict=True))) if parts else _NO_RUNS
    if not len(runs.starts):
        return runs
    new = np.append(True, (runs.firsts[1:] != runs.lasts[:-1] + 1) | (runs.records[1:] != runs.records[:-1]))
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(new)) - 1
    return _Runs(
        runs.starts[first],
        runs.ends[last],
        np.add.reduceat(runs.bars, first),
        runs.records[first],
        runs.first_days[first],
        runs.last_days[last],
        runs.firsts[first],
        runs.lasts[last],
    )


_NO_RUNS: Final = _Runs(*(np.empty(0, dtype=np.int64) for _ in _Runs._fields))
