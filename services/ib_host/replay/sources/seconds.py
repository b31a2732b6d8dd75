"""Bars of some seconds that make up bars of a minute."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from services.ib_host.replay.bars import Bar, typical_price

STEPS = (5, 1)
"""Lengths in seconds, longest first. Five bars of a second make up one of five seconds."""

_HALF = 30


def short_bars(minutes: Sequence[Bar], step: int, *, draw: Random) -> Sequence[Bar]:
    """Return the bars that make up minutes; together they have their prices, volume and number of trades.

    A minute's price stays at its opening for half of it, and at its close for the rest; its highest and lowest price
    are met in one second each.

    Args:
        minutes: ascending.
        step: one of `STEPS`.
        draw: decides at which seconds a minute's highest and lowest price are met.
    """
    return [bar for minute in minutes for bar in _of_minute(minute, step, draw.randrange(60), draw.randrange(60))]


def _of_minute(minute: Bar, step: int, highest: int, lowest: int) -> Sequence[Bar]:
    assert minute.start is not None
    bars = []
    for second in range(0, 60, step):
        price = minute.open if second < _HALF else minute.close
        high = minute.high if second == highest // step * step else price
        low = minute.low if second == lowest // step * step else price
        bars.append(
            Bar(
                session=minute.session,
                open=price,
                high=high,
                low=low,
                close=price,
                volume=_share(minute.volume, second, step),
                average=typical_price(price, high, low, price),
                count=_share(minute.count, second, step),
                start=minute.start + timedelta(seconds=second),
            )
        )
    return bars


def _share(total: int, second: int, step: int) -> int:
    """Return what of a minute's total falls into some seconds; its first seconds get what does not divide."""
    return total // 60 * step + max(0, min(step, total % 60 - second))
