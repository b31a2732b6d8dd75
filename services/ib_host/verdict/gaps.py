"""Missing bars, gathered into stretches."""

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


class GapSearch:
    """Gathers missing bars, range after range of time.

    Args:
        answers: what is known of each time.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._empty: list[Slots] = []
        self._places: list[Times] = []
        self._expected_of_day: dict[int, int] = {}
        self.expected = 0
        self.missing = 0

    def add(self, slots: Slots, missing: Flags) -> None:
        """Add the room for bars in the next range of time, and which of it is empty."""
        place = np.flatnonzero(missing)
        self._empty.append(Slots(slots.times[place], slots.ends[place], slots.days[place]))
        self._places.append(place + self.expected)
        for day, count in zip(*np.unique(slots.days, return_counts=True), strict=True):
            self._expected_of_day[int(day)] = self._expected_of_day.get(int(day), 0) + int(count)
        self.expected += len(slots.times)
        self.missing += len(place)

    def found(self, *, holidays_known: bool, bar_microseconds: int) -> Gaps:
        """Return what is missing.

        What was not asked for, or whose request failed, counts; what the gateway says it does not have does not. Bars
        that its answer left out are bars without a trade, unless a whole session is; or an hour or more of it in a
        dataset that has nine of ten bars otherwise. Where holidays are not known, what was left out never counts.

        Args:
            holidays_known: a session that is expected took place.
            bar_microseconds: length of a bar.
        """
        times, ends, days = (
            np.concatenate([getattr(slots, name) for slots in self._empty] or [np.empty(0, dtype=np.int64)])
            for name in Slots._fields
        )
        place = np.concatenate(self._places or [np.empty(0, dtype=np.int64)])
        records = self._answers.numbers(times)
        new = np.append(True, (np.diff(place) != 1) | (np.diff(records) != 0))[: len(place)]
        firsts = np.flatnonzero(new)
        lasts = np.append(firsts[1:], len(place))[: len(firsts)] - 1
        bars = lasts - firsts + 1
        left_out = self._have_reason(records, _Span.REASON_LEFT_OUT)
        of_gap = left_out[firsts]
        whole, long = self._whole_days(days[left_out]), np.zeros(len(firsts), dtype=bool)
        if self._is_dense(left_out, whole):
            long = bars * bar_microseconds >= _HOUR
        has_whole = np.searchsorted(whole, days[lasts], side="right") > np.searchsorted(whole, days[firsts])
        open_ = ~self._have_reason(records, _Span.REASON_GATEWAY_HAS_NONE)[firsts]
        counting = np.where(of_gap, holidays_known & (has_whole | long), open_)
        return Gaps(times[firsts], ends[lasts], bars, records[firsts], counting)

    def _have_reason(self, records: Times, reason: "_Span.Reason.ValueType") -> Flags:
        numbers, which = np.unique(records, return_inverse=True)
        return np.array([self._answers.reason(int(number)) == reason for number in numbers], dtype=bool)[which]

    def _whole_days(self, left_out_days: Times) -> Times:
        """Return the days of which all bars were left out, ascending."""
        days, counts = np.unique(left_out_days, return_counts=True)
        expected = np.array([self._expected_of_day[int(day)] for day in days], dtype=np.int64)
        whole: Times = days[counts == expected]
        return whole

    def _is_dense(self, left_out: Flags, whole_days: Times) -> bool:
        """Tell whether nine of ten bars are there on days of which the gateway sent some."""
        in_whole = sum(self._expected_of_day[int(day)] for day in whole_days)
        answered = self.expected - int((~left_out).sum()) - in_whole
        return answered > 0 and self.expected - self.missing >= _DENSE * answered
