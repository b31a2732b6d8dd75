"""Bars and their sizes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar.

    Attributes:
        session: date where it is traded; of a week or month, its last session so far.
        open, high, low, close: dollars.
        volume: shares, or -1 where the kind of bar has none.
        average: volume-weighted average price, or -1; not recorded, so the middle of the four prices stands in for it.
        count: number of trades, or -1; not recorded, so one for each hundred shares stands in for it.
        start: aware, when it begins; None for a bar of a day or longer, which its session dates.
    """

    session: date
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int
    start: datetime | None = None


class BarSize(Enum):
    """Bar sizes that daily history can be turned into; the value is the number of calendar days that one bar spans."""

    DAY = 1
    WEEK = 7
    MONTH = 30

    @property
    def calendar_days(self) -> float:
        """The number of calendar days that one bar spans."""
        return self.value


@dataclass(frozen=True, slots=True)
class IntradaySize:
    """The size of bars that are shorter than a day.

    Attributes:
        seconds: from the start of a bar to the start of the next.
    """

    seconds: int

    @property
    def calendar_days(self) -> float:
        """The part of a day that a bar spans."""
        return self.seconds / 86_400


Size = BarSize | IntradaySize


LEGAL_BAR_SIZES = (
    *("1 secs", "5 secs", "10 secs", "15 secs", "30 secs"),
    *("1 min", "2 mins", "3 mins", "5 mins", "10 mins", "15 mins", "20 mins", "30 mins"),
    *("1 hour", "2 hours", "3 hours", "4 hours", "8 hours", "1 day", "1W", "1M"),
)
"""What IB's own refusal of a bar size lists; "1 week" and "1 month" are understood as well."""

RECORDED_BAR_SIZES = {
    "1 day": BarSize.DAY,
    "1W": BarSize.WEEK,
    "1 week": BarSize.WEEK,
    "1M": BarSize.MONTH,
    "1 month": BarSize.MONTH,
}

_SECONDS_OF = {"secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600}

INTRADAY_BAR_SIZES = {
    text: IntradaySize(int(count) * _SECONDS_OF[unit])
    for text in LEGAL_BAR_SIZES
    for count, _, unit in [text.partition(" ")]
    if unit in _SECONDS_OF
}

_PERIODS: dict[BarSize, Callable[[Bar], tuple[int, ...]]] = {
    BarSize.WEEK: lambda bar: tuple(bar.session.isocalendar()[:2]),
    BarSize.MONTH: lambda bar: (bar.session.year, bar.session.month),
}


def aggregate(daily: Sequence[Bar], size: BarSize) -> Sequence[Bar]:
    """Return the bars of `size` that ascending daily bars make up; the last one may be of a period that is not over."""
    if size is BarSize.DAY:
        return daily
    return [merged(list(bars)) for _, bars in groupby(daily, key=_PERIODS[size])]


def typical_price(open_: float, high: float, low: float, close: float) -> float:
    """Return the stand-in for a volume-weighted average price, in ten-thousandths of a dollar."""
    return round((open_ + high + low + close) / 4, 4)


def merged(bars: Sequence[Bar], start: datetime | None = None) -> Bar:
    """Return the one bar that ascending bars, at least one, make up; `start` as in `Bar`."""
    open_, close = bars[0].open, bars[-1].close
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    no_volume = bars[0].volume < 0
    return Bar(
        session=bars[-1].session,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=-1 if no_volume else _total(bar.volume for bar in bars),
        average=-1 if no_volume else typical_price(open_, high, low, close),
        count=-1 if no_volume else _total(bar.count for bar in bars),
        start=start,
    )


def _total(values: Iterable[int]) -> int:
    return sum(values)
