"""A history whose days are made of shorter bars."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction
from typing import Protocol

from services.ib_host.replay.bars import Bar, BarSize, IntradaySize, Size, aggregate, merged
from services.ib_host.replay.durations import EARLIEST, Duration
from services.ib_host.replay.history import Split
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.served_history import View
from services.ib_host.replay.sources.grid import grid_end, on_grid

_DAY_SECONDS = 86_400
_DAY_MINUTES = 24 * 60
_QUOTES = frozenset({"MIDPOINT", "BID", "ASK"})


class BarSource(Protocol):
    """Bars of some symbols, by session. Prices are those after all splits."""

    @property
    def symbols(self) -> Sequence[str]:
        """Symbols in alphabetical order; each has at least one session."""

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the trading days by the local clock, ascending."""

    def splits(self, symbol: str) -> Sequence[Split]:
        """Return the splits, ascending."""

    def quotes_from(self, symbol: str) -> date:
        """Return the first session that has bars of quotes."""

    def base(self, symbol: str, seconds: int) -> int | None:
        """Return the length in seconds of the longest bars there are that make up bars of `seconds`; None without any.

        86400 seconds are a session.
        """

    def day(self, symbol: str, session: date, base: int) -> Sequence[Bar]:
        """Return the bars of a session, of all hours, ascending; `base` is a length that `base` has returned."""


class IntradayHistory:
    """Bars of every size that a source's bars make up.

    A bar belongs to the regular session if it starts in it. Sizes of less than a day lie on a grid that begins at the
    local midnight; the first bar of a session begins when that opens. A day, and what is made of days, is known once
    its session has closed, with the hours that were asked for.

    Args:
        source: the bars.
        instruments: by symbol; one for each symbol of the source.
    """

    def __init__(self, source: BarSource, instruments: Mapping[str, Instrument]) -> None:
        self._source = source
        self._instruments = instruments
        self._days: dict[tuple[str, date, bool], Bar | None] = {}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in alphabetical order."""
        return tuple(self._source.symbols)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What the symbols stand for."""
        return self._instruments

    @property
    def end(self) -> datetime:
        """The exchanges' midnight after the last session: all bars are known then, and no later session is over."""
        return max(
            self._instruments[symbol].hours.at(self.sessions(symbol)[-1], _DAY_MINUTES) for symbol in self.symbols
        )

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the trading days of an instrument, ascending."""
        return self._source.sessions(symbol)

    def refusal(self, symbol: str, size: Size) -> str:
        """Return why there are no bars of a size: the source has none that make them up."""
        if self._base(symbol, size) is not None:
            return ""
        return f"{symbol} has no bars that this size is made of: use a longer size"

    def head(self, symbol: str, what: str = "TRADES", *, use_rth: bool = True) -> datetime:
        """Return the opening of the first session that has bars of a kind."""
        first = self._first(symbol, what)
        session = next((day for day in self.sessions(symbol) if day >= first), first)
        return self._instruments[symbol].hours.opening(session, regular=use_rth)

    def bars(
        self,
        symbol: str,
        size: Size = BarSize.DAY,
        what: str = "TRADES",
        *,
        as_of: datetime | None = None,
        use_rth: bool = True,
    ) -> Sequence[Bar]:
        """Return all bars that are known at `as_of`, an aware instant; by default all.

        Raises:
            KeyError: there is no such symbol.
            ValueError: there are no bars of this size.
        """
        if symbol not in self._instruments:
            raise KeyError(symbol)
        if refusal := self.refusal(symbol, size):
            raise ValueError(refusal)
        end = as_of or self.end
        everything = Duration(9999, "Y")
        return self.window(symbol, View(size, what, use_rth), everything, end=end, as_of=end)[1]

    def window(
        self, symbol: str, view: View, duration: Duration, *, end: datetime, as_of: datetime
    ) -> tuple[datetime, Sequence[Bar]]:
        """Return where a window begins, and its bars.

        Of a day or longer they are those whose session closes in it, of shorter ones those that start in it. A bar
        that is not over at the end goes as far as it has come.
        """
        if isinstance(view.size, IntradaySize):
            hours = self._instruments[symbol].hours
            start = duration.intraday_start(end, self.sessions(symbol), hours=hours)
            bars = self._intraday(symbol, view.size.seconds, view.use_rth, start, end)
        else:
            start, bars = self._dated(symbol, view.size, view.use_rth, duration, end)
        shares, first = self._shares_to_come(symbol, as_of), self._first(symbol, view.what)
        return start, [_shown(bar, view.what, shares) for bar in bars if bar.session >= first]

    def _first(self, symbol: str, what: str) -> date:
        return self._source.quotes_from(symbol) if what in _QUOTES else self.sessions(symbol)[0]

    def _base(self, symbol: str, size: Size) -> int | None:
        return self._source.base(symbol, size.seconds if isinstance(size, IntradaySize) else _DAY_SECONDS)

    def _intraday(self, symbol: str, seconds: int, use_rth: bool, start: datetime, end: datetime) -> Sequence[Bar]:
        hours, sessions = self._instruments[symbol].hours, self.sessions(symbol)
        first = 0 if start == EARLIEST else bisect_left(sessions, hours.session_of(start))
        within: list[Bar] = []
        for session in sessions[first : bisect_right(sessions, hours.session_of(end))]:
            base, bars = self._hours_of(symbol, session, seconds, use_rth)
            midnight, opening = hours.at(session, 0), hours.opening(session, regular=use_rth)
            over = [bar for bar in bars if grid_end(_start(bar), midnight, base) <= end]
            made = on_grid(over, seconds, midnight=midnight, opening=opening) if base < seconds else over
            within += [bar for bar in made if _start(bar) >= start]
        return within

    def _dated(
        self, symbol: str, size: BarSize, use_rth: bool, duration: Duration, end: datetime
    ) -> tuple[datetime, Sequence[Bar]]:
        hours, sessions = self._instruments[symbol].hours, self.sessions(symbol)

        def closing(session: date) -> datetime:
            return hours.closing(session, regular=use_rth)

        start = duration.start(end, sessions, close=closing, zone=hours.zone)
        # A week or month may begin before the window does: all its days belong to it.
        first = bisect_right(sessions, start, key=closing) if size is BarSize.DAY else 0
        known = sessions[first : bisect_right(sessions, end, key=closing)]
        days = [day for session in known if (day := self._day(symbol, session, use_rth)) is not None]
        return start, [bar for bar in aggregate(days, size) if closing(bar.session) > start]

    def _day(self, symbol: str, session: date, use_rth: bool) -> Bar | None:
        key = (symbol, session, use_rth)
        if key not in self._days:
            base, bars = self._hours_of(symbol, session, _DAY_SECONDS, use_rth)
            self._days[key] = (bars[0] if base == _DAY_SECONDS else merged(bars)) if bars else None
        return self._days[key]

    def _hours_of(self, symbol: str, session: date, seconds: int, use_rth: bool) -> tuple[int, Sequence[Bar]]:
        base = self._source.base(symbol, seconds)
        assert base is not None
        bars, hours = self._source.day(symbol, session, base), self._instruments[symbol].hours
        if base == _DAY_SECONDS:
            return base, bars
        opening, closing = hours.opening(session, regular=use_rth), hours.closing(session, regular=use_rth)
        return base, [bar for bar in bars if opening <= _start(bar) < closing]

    def _shares_to_come(self, symbol: str, as_of: datetime) -> Fraction:
        """Return how many shares one share becomes in splits that `as_of` does not know yet."""
        hours, shares = self._instruments[symbol].hours, Fraction(1)
        for split in self._source.splits(symbol):
            if hours.opening(split.session, regular=False) > as_of:
                shares *= split.ratio
        return shares


def _start(bar: Bar) -> datetime:
    assert bar.start is not None
    return bar.start


def _shown(bar: Bar, what: str, shares: Fraction) -> Bar:
    if what in _QUOTES:
        bar = replace(bar, volume=-1, average=-1, count=-1)
    if shares == 1 or what == "ADJUSTED_LAST":
        return bar
    factor = float(shares)
    return replace(
        bar,
        open=bar.open * factor,
        high=bar.high * factor,
        low=bar.low * factor,
        close=bar.close * factor,
        volume=bar.volume if bar.volume < 0 else round(bar.volume / shares),
        average=bar.average if bar.volume < 0 else bar.average * factor,
    )
