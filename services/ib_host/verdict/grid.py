"""The bars that sessions have room for, as the gateway labels them: each with the time of its start."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from services.ib_host.sessions.session import Session
from services.ib_host.store.columns import microseconds

Times = npt.NDArray[np.int64]
_MICROSECOND: Final = timedelta(microseconds=1)


class Alignment(Enum):
    """Where bars begin that are too long, or begin at odd times, to fit evenly into a session.

    IB cuts bars of an hour at full hours, and the first one begins with the session: 9:30, 10:00, 11:00. For bars of
    several hours it tells no rule, so the one that fits what is stored best is taken.
    """

    CLOCK = "clock"
    """On a grid from the exchange's midnight of the trading day; the first bar of a session is short."""
    CLOCK_OPEN = "clock, open"
    """On the same grid; the first bar begins before the session, as where extended hours are part of it."""
    UTC = "utc"
    """On a grid from midnight UTC; the first bar of a session is short."""
    SESSION = "session"
    """On a grid from the session's opening."""


class Slots(NamedTuple):
    """Room for bars, ascending.

    Attributes:
        times: start of each, in microseconds since the Unix epoch.
        ends: end of each: of the last of a session, its close.
        days: the trading day that it belongs to, as a proleptic ordinal.
    """

    times: Times
    ends: Times
    days: Times


NO_SLOTS: Final = Slots(*(np.empty(0, dtype=np.int64) for _ in range(3)))


def slots_of(sessions: Sequence[Session], length: timedelta, zone: ZoneInfo, alignment: Alignment) -> Slots:
    """Return the room for bars of a length in some sessions.

    Args:
        sessions: ascending.
        length: of a bar, shorter than a day.
        zone: of the exchange.
        alignment: where bars begin.
    """
    if not sessions:
        return NO_SLOTS
    step = length // _MICROSECOND
    starts = np.array([microseconds(session.start) for session in sessions], dtype=np.int64)
    ends = np.array([microseconds(session.end) for session in sessions], dtype=np.int64)
    days = np.array([session.date.toordinal() for session in sessions], dtype=np.int64)
    anchors = _anchors(sessions, starts, zone, alignment)
    if alignment is Alignment.CLOCK_OPEN:
        starts = anchors + (starts - anchors) // step * step
    first = anchors - (anchors - starts) // step * step
    short = (first != starts).astype(np.int64)
    counts = np.maximum(0, -((first - ends) // step)) + short
    if not counts.any():
        return NO_SLOTS
    before = np.concatenate(([0], np.cumsum(counts)[:-1]))
    place = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(before, counts)
    times = np.repeat(first, counts) + (place - np.repeat(short, counts)) * step
    times = np.where((place == 0) & np.repeat(short == 1, counts), np.repeat(starts, counts), times)
    closes = np.repeat(ends, counts)
    last = np.append(np.diff(np.repeat(np.arange(len(starts)), counts)) != 0, True)
    slot_ends = np.where(last, closes, np.append(times[1:], times[-1]))
    once = np.append(True, np.diff(times) > 0)
    return Slots(times[once], slot_ends[once], np.repeat(days, counts)[once])


def clipped(slots: Slots, start: datetime, end: datetime) -> Slots:
    """Return those that begin in [start, end)."""
    low, high = np.searchsorted(slots.times, (microseconds(start), microseconds(end)))
    return Slots(*(column[low:high] for column in slots))


def fits_evenly(sessions: Sequence[Session], length: timedelta) -> bool:
    """Tell whether all sessions begin on the grid of a bar length, so that there is only one way to cut them."""
    step = length // _MICROSECOND
    return all(microseconds(session.start) % step == 0 for session in sessions) and 3_600_000_000 % step == 0


def _anchors(sessions: Sequence[Session], starts: Times, zone: ZoneInfo, alignment: Alignment) -> Times:
    if alignment is Alignment.SESSION:
        return starts
    if alignment is Alignment.UTC:
        return np.zeros_like(starts)
    midnights = [
        microseconds(datetime.combine(session.date, time(), zone).astimezone(UTC))  # clocks may change the night before
        for session in sessions
    ]
    return np.array(midnights, dtype=np.int64)
