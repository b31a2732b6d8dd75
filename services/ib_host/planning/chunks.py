"""Parts of a range, each of which is one request."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.steps import Duration, covering, longest_in_seconds

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
        """Names the chunk within the loads of an instrument."""
        return f"{self.start:%Y%m%dT%H%M%SZ}/{self.end:%Y%m%dT%H%M%SZ}"


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
