"""Cutting a range into chunks, each of which is one request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.steps import Duration, covering, longest_in_seconds, longest_stretch

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS_IN_A_CHUNK: Final = 11
_AFTER_THE_SESSION: Final = timedelta(hours=6)
"""How long after midnight UTC a request for dated bars ends: extended hours of US markets last until 1:00 UTC."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks for.

    Attributes:
        end: the request's end, UTC; None for now, the only end that adjusted bars can have.
        duration: how far it reaches back.
    """

    end: datetime | None
    duration: Duration


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the range of a load.

    Attributes:
        start: time of the first bar that may belong to it, UTC; of dated bars a midnight.
        end: end of it, exclusive.
        ask: the request that brings all of it, and some bars around it.
    """

    start: datetime
    end: datetime
    ask: Ask

    @property
    def key(self) -> str:
        """Names the chunk within the loads of an instrument; the same range is always cut into the same chunks."""
        return f"{self.start:%Y%m%dT%H%M%SZ}/{self.end:%Y%m%dT%H%M%SZ}"


def plan_chunks(start: datetime, end: datetime, bar: BarLength) -> Sequence[Chunk]:
    """Cut [start, end) into chunks, oldest first, that tile it without gap or overlap.

    For dated bars the dates count: the first is that of `start`, the last is that of the last instant before `end`.

    Args:
        start: aware.
        end: aware, exclusive.
        bar: length of the bars.
    """
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if bar.dated:
        start = datetime.combine(start.date(), time(), UTC)
        end = datetime.combine((end - timedelta(microseconds=1)).date() + _DAY, time(), UTC)
    if start >= end:
        return []
    return [
        Chunk(max(low, start), min(high, end), ask_for(low, high, bar))
        for low, high in pairwise(_borders(start, end, bar))
    ]


def ask_for(start: datetime, end: datetime, bar: BarLength) -> Ask:
    """Return the request that surely brings every bar in [start, end), each of them complete.

    A gateway cuts the last bar off at the end of a request, so the request ends later than its last bar starts.
    """
    if bar.dated:
        return Ask(end + _AFTER_THE_SESSION, covering(end + _DAY - start, bar))
    if bar.length >= _HOUR:
        return Ask(end + bar.length, covering(end + bar.length - start, bar))
    ask_end = grid_end(end, bar)
    stretch = ask_end - start
    # One bar more where it costs nothing: where it differs from the one that is stored, prices were revised.
    more = bar.length if stretch + bar.length <= longest_in_seconds(bar) else timedelta()
    return Ask(ask_end, covering(stretch + more, bar))


def grid_end(instant: datetime, bar: BarLength) -> datetime:
    """Return the end of the bar, shorter than an hour, that an instant is in, or the instant where it begins one.

    Such bars start on a grid that midnight UTC is part of.
    """
    return instant + (_EPOCH - instant) % bar.length


def period_start(instant: datetime, bar: BarLength) -> datetime:
    """Return the midnight at which the day, week or month of an instant begins; of shorter bars the instant itself."""
    if not bar.dated:
        return instant
    midnight = datetime.combine(instant.date(), time(), UTC)
    if bar.length > 7 * _DAY:
        return midnight.replace(day=1)
    return midnight - midnight.weekday() * _DAY if bar.length > _DAY else midnight


def _borders(start: datetime, end: datetime, bar: BarLength) -> Iterator[datetime]:
    """Yield ascending borders; the first is not after `start`, the last not before `end`.

    Weeks and months are never cut: a request that ends within one gets a bar of what there was of it until then.
    """
    if bar.length > 7 * _DAY:
        yield from _months(start.date(), end.date())
    elif bar.length == 7 * _DAY:
        yield from _steps(period_start(start, bar), end + (-end.weekday() % 7) * _DAY, 52 * 7 * _DAY)
    elif bar.dated:
        yield from _steps(start, end, longest_stretch(bar) - _DAY)
    else:
        longest = longest_stretch(bar)
        # The last bar of an hour or more, and the hour that a change of the clocks takes from a week, need room.
        span = longest - _DAY if longest >= 7 * _DAY else longest
        yield start
        yield from _steps(_EPOCH + ((start - _EPOCH) // span + 1) * span, end, span)


def _steps(start: datetime, end: datetime, span: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += span
    yield end


def _months(start: date, end: date) -> Iterator[datetime]:
    month, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1 + (end.day > 1)
    while month < last:
        yield _month(month)
        month += _MONTHS_IN_A_CHUNK
    yield _month(last)


def _month(number: int) -> datetime:
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)
