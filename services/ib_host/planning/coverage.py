"""Whether an answer reaches back as far as it was asked to."""

from datetime import datetime, timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.chunks import Ask, Chunk, ask_for, period_start

_LONGEST_PAUSE_OF_DATED_BARS: Final = timedelta(days=7)
_LONGEST_PAUSE: Final = timedelta(days=4)
_LONGEST_PAUSE_AROUND_THE_CLOCK: Final = timedelta(hours=2)
_AROUND_THE_CLOCK: Final = frozenset({bars_pb2.SECURITY_TYPE_FOREX, bars_pb2.SECURITY_TYPE_FUTURE})


def usual_pause(bar: BarLength, security_type: bars_pb2.SecurityType.ValueType) -> timedelta:
    """Return the longest time without bars that is nothing to wonder about: a weekend with a holiday, or a daily break.

    Args:
        bar: a month or a week counts for itself.
        security_type: currencies and futures trade around the clock.
    """
    if bar.dated:
        return max(bar.length, _LONGEST_PAUSE_OF_DATED_BARS)
    return _LONGEST_PAUSE_AROUND_THE_CLOCK if security_type in _AROUND_THE_CLOCK else _LONGEST_PAUSE


def ask_again(chunk: Chunk, earliest: datetime, bar: BarLength, pause: timedelta) -> Ask | None:
    """Return the request for the head of a chunk that an answer may have left out; None when it has all.

    Args:
        chunk: what was asked for.
        earliest: time of the first bar of the answer, UTC; it may lie before the chunk.
        bar: length of the bars.
        pause: see `usual_pause`.
    """
    if earliest - chunk.start <= pause:
        return None
    return ask_for(period_start(chunk.start, bar), period_start(earliest, bar), bar)
