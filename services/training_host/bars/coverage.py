"""How much of a strategy's range the bars that are there cover."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.training_host.bars.loaded import LoadedBars
from services.training_host.strategy.training_data import TrainingData

SLACK: Final = timedelta(days=10)
"""No session within so many days is usual: weekends and holidays, and weeks that have only begun."""
MONTH_SLACK: Final = timedelta(days=41)
"""The same for months, whose bars carry the date of their last session."""


class ShortSeries(NamedTuple):
    """A series that begins later or ends earlier than the strategy asks.

    Attributes:
        symbol: The instrument.
        timeframe: Length of the bars.
        first: Time of the first bar that is there.
        last: Time of the last one.
    """

    symbol: str
    timeframe: str
    first: datetime
    last: datetime


def short_series(loaded: LoadedBars, data: TrainingData) -> Iterable[ShortSeries]:
    """Name the series that lack more of the range's beginning or end than sessions that did not take place.

    Args:
        loaded: What is there.
        data: Says the range.
    """
    for (symbol, timeframe), bars in loaded.series.items():
        slack = MONTH_SLACK if timeframe == "1month" else SLACK
        first, last = bars.time(0), bars.time(-1)
        if first.date() - data.start_date > slack or data.end_date - last.date() > slack:
            yield ShortSeries(symbol, timeframe, first, last)
