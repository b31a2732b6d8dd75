"""When a bar is over: from then on all of it is known, and not before."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.periods import DAY_NS, SECOND_NS, intraday_ns, next_period_start
from services.training_host.bars.series import Bars

DATE_ENDS_LATER_NS: Final = DAY_NS // 2
"""After midnight UTC a date goes on for half a day in the westernmost time zone (UTC-12). Dated bars do not say in
which zone their session is, and one of New York that counts all hours ends at 01:00 UTC in winter: here a date is over
when it is over everywhere."""
LONGEST_DAY_NS: Final = 25 * 3_600 * SECOND_NS
"""A date on which clocks are put back an hour."""


def close_times(bars: Bars) -> NDArray[np.int64]:
    """Return the instant at which each bar is over, never too early.

    A bar shorter than a day is over its length after its start. A daily bar is over when its date has ended everywhere;
    a weekly bar when the Sunday, and a monthly bar when the last day of its month has: the date that such a bar carries
    is only that of its last session so far.

    Args:
        bars: Of any timeframe; `times` as `Bars` describes them.

    Returns:
        int64 [bars], nanoseconds since 1970 UTC, ascending.
    """
    length = intraday_ns(bars.timeframe)
    if length is not None:
        return bars.times + length
    dates_over = next_period_start(bars.times, bars.timeframe) + DATE_ENDS_LATER_NS
    if bars.timeframe == "1d":
        # A file may name the start of a session, or midnight in the zone of an exchange, instead of the date.
        return np.maximum(dates_over, bars.times + LONGEST_DAY_NS)
    return dates_over


def over_by(bars: Bars, instant_ns: int) -> Bars:
    """Return the bars that were over at an instant (nanoseconds since 1970 UTC): later ones may still have changed."""
    return bars.where(close_times(bars) <= instant_ns)
