"""Bars of a second that make up bars of a minute."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from services.ib_host.replay.bars import Bar, typical_price

_SECONDS = tuple(timedelta(seconds=second) for second in range(60))

_HALF = 30


def second_bars(minutes: Sequence[Bar], *, draw: Random) -> Sequence[Bar]:
    """Return sixty bars for each minute that has one; together they have its prices, volume and number of trades.

    Args:
        minutes: ascending.
        draw: decides at which seconds a minute's highest and lowest price are met.
    """
    return [bar for minute in minutes for bar in _of_minute(minute, draw)]


def _of_minute(minute: Bar, draw: Random) -> Sequence[Bar]:
    assert minute.start is not None
    highest, lowest = draw.randrange(60), draw.randrange(60)
    bars = []
    for second, offset in enumerate(_SECONDS):
        price = minute.open if second < _HALF else minute.close
        high = minute.high if second == highest else price
        low = minute.low if second == lowest else price
        bars.append(
            Bar(
                session=minute.session,
                open=price,
                high=high,
                low=low,
                close=price,
                volume=_share(minute.volume, second),
                average=typical_price(price, high, low, price),
                count=_share(minute.count, second),
                start=minute.start + offset,
            )
        )
    return bars


def _share(total: int, second: int) -> int:
    return total // 60 + (1 if second < total % 60 else 0)
