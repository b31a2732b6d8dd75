"""Made-up minute bars: the same for the same seed, symbol and day, whatever else is asked for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random

from services.ib_host.replay.bars import Bar, typical_price
from services.ib_host.replay.history import Split
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.sources.generated_instruments import is_listed, sessions_of
from services.ib_host.replay.sources.seconds import STEPS, short_bars

_MINUTE = timedelta(minutes=1)
_DAYS_KEPT = 32
_SHORT_DAYS_KEPT = 4
_QUIET_SHARE = 0.15
"""How many minutes outside regular hours pass without a trade."""
_CARRY = 0.04
"""How much a future costs more than what it is of, for each year until it expires."""


@dataclass(frozen=True)
class GeneratorSpec:
    """What to make up.

    Attributes:
        symbols: names of the instruments, in the order given.
        seed: another seed, other bars.
        start: no session before it; a day's bars do not depend on it.
        days: number of sessions; a day's bars do not depend on it.
        gaps: share of minutes within sessions that are missing, 0 to below 1, in stretches of up to an hour.
        splits: ascending, by symbol.
        quotes: first day that has bars of MIDPOINT, BID and ASK; None for the first of all.
    """

    symbols: Sequence[str]
    seed: int
    start: date
    days: int
    gaps: float
    splits: Mapping[str, Sequence[Split]]
    quotes: date | None = None


@dataclass(frozen=True, slots=True)
class _Prices:
    least: float
    most: float
    ticks: int
    """Of a unit."""


_PRICES = {
    "STK": _Prices(40, 240, 100),
    "CASH": _Prices(0.6, 1.6, 20_000),
    "IND": _Prices(1000, 5000, 100),
    "FUT": _Prices(3000, 6000, 4),
}


class GeneratedBars:
    """Minute bars of every symbol of a spec, and shorter bars within them, made when they are asked for.

    The price at a session's opening is a function of seed, symbol and date alone: slow waves around a price of the
    symbol, and a daily shift. Within the session it wanders from there towards the next session's opening. Prices are
    those after all splits. The contracts of a future follow one price, the dearer the later they expire; the
    continuous future has the bars of the contract that expires next.

    Args:
        spec: what to make up.
        instruments: by symbol.
    """

    def __init__(self, spec: GeneratorSpec, instruments: Mapping[str, Instrument]) -> None:
        self._spec = spec
        self._instruments = instruments
        self._made = lru_cache(_DAYS_KEPT)(self._make)
        self._made_short = lru_cache(_SHORT_DAYS_KEPT)(self._make_short)
        self._sessions = {
            symbol: found for symbol, instrument in instruments.items() if (found := self._sessions_of(instrument))
        }

    @property
    def symbols(self) -> Sequence[str]:
        """Symbols in alphabetical order."""
        return sorted(self._sessions)

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the trading days, ascending."""
        return self._sessions[symbol]

    def splits(self, symbol: str) -> Sequence[Split]:
        """Return the splits of a stock, ascending."""
        return self._spec.splits.get(symbol, ())

    def quotes_from(self, symbol: str) -> date:
        """Return the first day that has quotes."""
        return max(self._sessions[symbol][0], self._spec.quotes or date.min)

    def base(self, symbol: str, seconds: int) -> int | None:  # noqa: ARG002 -- all have bars of the same lengths
        """Return the length in seconds of the bars that bars of `seconds` are made of: 60, 5 or 1."""
        return next(length for length in (60, *STEPS) if seconds % length == 0)

    def day(self, symbol: str, session: date, base: int) -> Sequence[Bar]:
        """Return the bars of a session, ascending, of all hours."""
        return self._made(symbol, session) if base == 60 else self._made_short(symbol, session, base)

    def _sessions_of(self, instrument: Instrument) -> tuple[date, ...]:
        days = sessions_of(instrument.security_type, self._spec.start, self._spec.days)
        return tuple(day for day in days if instrument.expiry is None or is_listed(instrument.expiry, day))

    def _make_short(self, symbol: str, session: date, step: int) -> Sequence[Bar]:
        seed = f"{self._spec.seed}/{symbol}/{session.isoformat()}/seconds"
        return short_bars(self._made(symbol, session), step, draw=Random(seed))

    def _make(self, symbol: str, session: date) -> Sequence[Bar]:
        instrument = self._instruments[symbol]
        if instrument.security_type == "CONTFUT":
            return self._made(self._front(instrument, session), session)
        draw = Random(f"{self._spec.seed}/{symbol}/{session.isoformat()}")
        prices = _PRICES[instrument.security_type]
        hours = instrument.hours
        all_hours, regular_hours = hours.span(session, regular=False), hours.span(session, regular=True)
        first, last = all_hours.opens, all_hours.closes
        price, aim = self._opening(instrument, session), self._opening(instrument, session + timedelta(days=1))
        missing = self._missing(draw, first, last)
        midnight = hours.at(session, 0)
        bars: list[Bar] = []
        for minute in range(first, last):
            regular = regular_hours.opens <= minute < regular_hours.closes
            before = price
            pull = math.log(aim / price) / (last - minute)
            price *= math.exp(pull + draw.gauss(0, 0.0006 if regular else 0.0002))
            up, down, shares, quiet = draw.random(), draw.random(), draw.random(), draw.random()
            if minute in missing or (not regular and quiet < _QUIET_SHARE):
                continue
            open_, close = _on_tick(before, prices.ticks), _on_tick(price, prices.ticks)
            high = _on_tick(max(open_, close) * (1 + 0.0004 * up), prices.ticks)
            low = _on_tick(min(open_, close) * (1 - 0.0004 * down), prices.ticks)
            volume = int((4000 if regular else 150) * (0.5 + shares)) // 4 * 4
            count = max(1, volume // 100)
            if instrument.security_type == "IND":  # nobody trades an index
                volume = count = 0
            average = typical_price(open_, high, low, close)
            start = midnight + minute * _MINUTE
            bars.append(Bar(session, open_, high, low, close, volume, average, count, start))
        return bars

    def _opening(self, instrument: Instrument, session: date) -> float:
        symbol = instrument.history_key if instrument.expiry is None else instrument.symbol
        of_symbol = Random(f"{self._spec.seed}/{symbol}")
        of_day = Random(f"{self._spec.seed}/{symbol}/{session.isoformat()}/opening")
        prices = _PRICES[instrument.security_type]
        level, slow, fast = of_symbol.uniform(prices.least, prices.most), of_symbol.random(), of_symbol.random()
        day = session.toordinal()
        year, month = math.sin(math.tau * (day / 365.25 + slow)), math.sin(math.tau * (day / 37 + fast))
        price = level * math.exp(0.25 * year + 0.06 * month + of_day.gauss(0, 0.01))
        return price if instrument.expiry is None else price * math.exp(_carry(instrument.expiry, session))

    def _front(self, continuous: Instrument, session: date) -> str:
        contracts = [
            (instrument.expiry, symbol)
            for symbol, instrument in self._instruments.items()
            if instrument.symbol == continuous.symbol and instrument.expiry and instrument.expiry >= session
        ]
        return min(contracts)[1]

    def _missing(self, draw: Random, first: int, last: int) -> frozenset[int]:
        wanted = math.floor(self._spec.gaps * (last - first) + draw.random())
        missing: set[int] = set()
        while len(missing) < wanted:
            begins, length = draw.randrange(first, last), draw.randint(1, 60)
            missing.update(range(begins, min(last, begins + length)))
        return frozenset(missing)


def _carry(expiry: date, session: date) -> float:
    return _CARRY * (expiry - session).days / 365


def _on_tick(price: float, ticks: int) -> float:
    return round(price * ticks) / ticks
