"""Bars shorter than a day beside the sessions."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from services.ib_host.sessions.session import Session
from services.ib_host.store.columns import microseconds, times_of
from services.ib_host.verdict.gaps import Flags, GapSearch
from services.ib_host.verdict.grid import Alignment, Slots, Times, clipped, fits_evenly, slots_of
from services.ib_host.verdict.hours import Hours

_SLOTS_AT_ONCE: Final = 1_000_000
_LONGEST: Final = timedelta(days=731)


class IntradayBars:
    """Compares bars with the room that sessions have for them, a stretch of time after the other.

    Args:
        hours: the sessions.
        length: of a bar.
        search: gathers what is missing.
        now: sessions' bars that end later are not expected yet; None: all are.
    """

    def __init__(self, hours: Hours, length: timedelta, search: GapSearch, *, now: datetime | None) -> None:
        self._hours = hours
        self._length = length
        self._search = search
        self._now = now
        self._alignment: Alignment | None = None
        self.unexpected = 0

    def compare(self, start: datetime, end: datetime, bars: Callable[[datetime, datetime], Iterator[pa.Table]]) -> None:
        """Compare the bars of [start, end).

        Args:
            start: aware.
            end: aware, exclusive.
            bars: returns what is stored in a range, table after table.
        """
        stretch = min(_LONGEST, self._length * _SLOTS_AT_ONCE)
        known = self._hours.known
        at = start
        while at < end:
            until = min(end, at + stretch)
            stored = [times_of(table) for table in bars(at, until)]
            times = _ascending(np.concatenate(stored)) if stored else np.empty(0, dtype=np.int64)
            if known is not None and max(at, known[0]) < min(until, known[1]):
                self._compare(max(at, known[0]), min(until, known[1]), times)
            at = until

    def _compare(self, start: datetime, end: datetime, stored: Times) -> None:
        low, high = np.searchsorted(stored, (microseconds(start), microseconds(end)))
        stored = stored[low:high]
        # A bar may begin before its session, so one of this stretch may be of a session that begins after it.
        sessions = self._hours.sessions_in(start, end + self._length)
        slots = self._slots(sessions, start, end, stored)
        there = _are_in(slots.times, stored)
        over = slots.ends <= microseconds(self._now) if self._now is not None else np.ones(len(there), dtype=bool)
        counted = there | over
        self._search.add(Slots(*(column[counted] for column in slots)), ~there[counted])
        others = stored[~_are_in(stored, slots.times)]
        if len(others):
            extra = self._hours.extra_in(start, end)
            self.unexpected += int((~_within(others, extra, self._length)).sum())

    def _slots(self, sessions: Sequence[Session], start: datetime, end: datetime, stored: Times) -> Slots:
        def cut(alignment: Alignment) -> Slots:
            return clipped(slots_of(sessions, self._length, self._hours.zone, alignment), start, end)

        if self._alignment is not None:
            return cut(self._alignment)
        if not len(stored) or fits_evenly(sessions, self._length):
            return cut(Alignment.CLOCK)
        # The first bars that are stored show how they are cut; where two ways fit alike the first one counts.
        fits = {alignment: _are_in(cut(alignment).times, stored).sum() for alignment in Alignment}
        self._alignment = max(fits, key=lambda alignment: int(fits[alignment]))
        return cut(self._alignment)


def _ascending(times: Times) -> Times:
    """Return times in order, each once; stored bars are so already unless something is wrong with them."""
    return times if bool((np.diff(times) > 0).all()) else np.unique(times)


def _are_in(times: Times, others: Times) -> Flags:
    """Tell of each time whether it is among others; both are ascending."""
    if not len(others):
        return np.zeros(len(times), dtype=bool)
    place = np.minimum(np.searchsorted(others, times), len(others) - 1)
    found: Flags = others[place] == times
    return found


def _within(times: Times, sessions: Sequence[Session], length: timedelta) -> Flags:
    """Tell of each time whether a bar of it touches one of some ascending sessions."""
    if not sessions:
        return np.zeros(len(times), dtype=bool)
    starts = np.array([microseconds(session.start) for session in sessions], dtype=np.int64)
    ends = np.array([microseconds(session.end) for session in sessions], dtype=np.int64)
    place = np.searchsorted(starts, times + length // timedelta(microseconds=1) - 1, side="right") - 1
    inside: Flags = (place >= 0) & (times < ends[place])
    return inside
