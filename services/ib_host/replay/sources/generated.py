"""Made-up minute bars: the same for the same seed, symbol and day, whatever else is asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random

from services.ib_host.replay.bars import Bar, typical_price
from services.ib_host.replay.history import Split
from services.ib_host.replay.hours import MarketHours

_MINUTE = timedelta(minutes=1)
_SATURDAY = 5
_DAYS_KEPT = 32
_CENT = 100
_QUIET_SHARE = 0.15
"""How many minutes outside regular hours pass without a trade."""


@dataclass(frozen=True)
class GeneratorSpec:
    """What to make up.

    Attributes:
        symbols: in the order given.
        seed: another seed, other bars.
        start: no session before it; a day's bars do not depend on it.
        days: number of sessions, every weekday one; a day's bars do not depend on it.
        gaps: share of minutes within sessions that are missing, 0 to below 1, in stretches of up to an hour.
        splits: ascending, by symbol.
    """

    symbols: Sequence[str]
    seed: int
    start: date
    days: int
    gaps: float
    splits: Mapping[str, Sequence[Split]]


class GeneratedBars:
    """Minute bars of every symbol of a spec, made when they are asked for.

    The price at a session's opening is a function of seed, symbol and date alone: slow waves around a price of the
    symbol, and a daily shift. Within the session it wanders from there towards the next session's opening. Prices are
    those after all splits.

    Args:
        spec: what to make up.
        hours: by symbol.
    """

    def __init__(self, spec: GeneratorSpec, hours: Mapping[str, MarketHours]) -> None:
        self._spec = spec
        self._hours = hours
        self._sessions = tuple(_weekdays(spec.start, spec.days))
        self._made = lru_cache(_DAYS_KEPT)(self._make)

    @property
    def symbols(self) -> Sequence[str]:
        """Symbols in alphabetical order."""
        return sorted(self._spec.symbols)

    def sessions(self, symbol: str) -> Sequence[date]:  # noqa: ARG002 -- all are traded on the same days
        """Return the trading days, ascending."""
        return self._sessions

    def splits(self, symbol: str) -> Sequence[Split]:
        """Return the splits of a stock, ascending."""
        return self._spec.splits.get(symbol, ())

    def base(self, symbol: str, seconds: int) -> int | None:  # noqa: ARG002 -- all have bars of a minute
        """Return the length in seconds of the bars that bars of `seconds` are made of: a minute."""
        return None if seconds % 60 else 60

    def day(self, symbol: str, session: date, base: int) -> Sequence[Bar]:  # noqa: ARG002 -- a minute is all there is
        """Return the minute bars of a session, ascending, of all hours."""
        return self._made(symbol, session)

    def _make(self, symbol: str, session: date) -> Sequence[Bar]:
        draw = Random(f"{self._spec.seed}/{symbol}/{session.isoformat()}")
        hours = self._hours[symbol]
        first, last = hours.extended.opens, hours.extended.closes
        opening = self._opening(symbol, session)
        aim = self._opening(symbol, session + timedelta(days=1))
        missing = self._missing(draw, first, last)
        midnight = hours.at(session, 0)
        price, bars = opening, []
        for minute in range(first, last):
            regular = hours.regular.opens <= minute < hours.regular.closes
            before = price
            pull = math.log(aim / price) / (last - minute)
            price *= math.exp(pull + draw.gauss(0, 0.0006 if regular else 0.0002))
            up, down, shares, quiet = draw.random(), draw.random(), draw.random(), draw.random()
            if minute in missing or (not regular and quiet < _QUIET_SHARE):
                continue
            open_, close = _cents(before), _cents(price)
            high = _cents(max(open_, close) * (1 + 0.0004 * up))
            low = _cents(min(open_, close) * (1 - 0.0004 * down))
            volume = int((4000 if regular else 150) * (0.5 + shares)) // 4 * 4
            start = midnight + minute * _MINUTE
            average = typical_price(open_, high, low, close)
            bars.append(
                Bar(session, open_, high, low, close, volume, average, count=max(1, volume // 100), start=start)
            )
        return bars

    def _opening(self, symbol: str, session: date) -> float:
        of_symbol = Random(f"{self._spec.seed}/{symbol}")
        of_day = Random(f"{self._spec.seed}/{symbol}/{session.isoformat()}/opening")
        level, slow, fast = of_symbol.uniform(40, 240), of_symbol.random(), of_symbol.random()
        day = session.toordinal()
        year, month = math.sin(math.tau * (day / 365.25 + slow)), math.sin(math.tau * (day / 37 + fast))
        return level * math.exp(0.25 * year + 0.06 * month + of_day.gauss(0, 0.01))

    def _missing(self, draw: Random, first: int, last: int) -> frozenset[int]:
        wanted = math.floor(self._spec.gaps * (last - first) + draw.random())
        missing: set[int] = set()
        while len(missing) < wanted:
            begins, length = draw.randrange(first, last), draw.randint(1, 60)
            missing.update(range(begins, min(last, begins + length)))
        return frozenset(missing)


def _weekdays(start: date, count: int) -> Sequence[date]:
    days: list[date] = []
    while len(days) < count:
        if start.weekday() < _SATURDAY:
            days.append(start)
        start += timedelta(days=1)
    return days


def _cents(price: float) -> float:
    return round(price * _CENT) / _CENT
