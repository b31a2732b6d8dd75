"""A history that changes while the gateway runs: splits that become known, and corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.ib_host.replay.bars import Bar, BarSize, Size
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.served_history import ServedHistory, View


@dataclass(frozen=True, slots=True)
class Revision:
    """Bars whose prices are others from now on.

    Attributes:
        first, last: sessions of the bars; None for no limit.
        factor: what prices are multiplied by.
        volume_factor: what volumes are multiplied by.
    """

    first: date | None
    last: date | None
    factor: float
    volume_factor: float = 1.0

    def apply(self, bar: Bar) -> Bar:
        """Return a bar as it is now."""
        if (self.first is not None and bar.session < self.first) or (self.last is not None and bar.session > self.last):
            return bar
        has_volume = bar.volume >= 0
        return replace(
            bar,
            open=bar.open * self.factor,
            high=bar.high * self.factor,
            low=bar.low * self.factor,
            close=bar.close * self.factor,
            volume=round(bar.volume * self.volume_factor) if has_volume else bar.volume,
            average=bar.average * self.factor if has_volume else bar.average,
        )


class RevisedHistory:
    """Another history with revisions, which all bars from now on have: those that clients get and those of `bars`.

    Args:
        history: the bars before any revision.
    """

    def __init__(self, history: ServedHistory) -> None:
        self._history = history
        self._revisions: dict[str, list[Revision]] = {}

    def revise(self, symbol: str, revision: Revision) -> None:
        """Change bars of a symbol.

        Raises:
            KeyError: there is no such symbol.
        """
        if symbol not in self._history.instruments:
            raise KeyError(symbol)
        self._revisions.setdefault(symbol, []).append(revision)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in alphabetical order."""
        return self._history.symbols

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What the symbols stand for."""
        return self._history.instruments

    @property
    def end(self) -> datetime:
        """The UTC instant by which all bars are known."""
        return self._history.end

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the trading days, ascending."""
        return self._history.sessions(symbol)

    def refusal(self, symbol: str, size: Size) -> str:
        """Return why there are no bars of a size; empty when there are."""
        return self._history.refusal(symbol, size)

    def head(self, symbol: str, what: str = "TRADES", *, use_rth: bool) -> datetime:
        """Return the aware instant at which a history begins."""
        return self._history.head(symbol, what, use_rth=use_rth)

    def bars(
        self,
        symbol: str,
        size: Size = BarSize.DAY,
        what: str = "TRADES",
        *,
        as_of: datetime | None = None,
        use_rth: bool = True,
    ) -> Sequence[Bar]:
        """Return all bars that are known at `as_of`, revised; by default all.

        Raises:
            KeyError: there is no such symbol.
            ValueError: there are no bars of this size.
        """
        return self._revised(symbol, self._history.bars(symbol, size, what, as_of=as_of, use_rth=use_rth))

    def window(
        self, symbol: str, view: View, duration: Duration, *, end: datetime, as_of: datetime
    ) -> tuple[datetime, Sequence[Bar]]:
        """Return where a window begins, and its bars, revised."""
        start, bars = self._history.window(symbol, view, duration, end=end, as_of=as_of)
        return start, self._revised(symbol, bars)

    def _revised(self, symbol: str, bars: Sequence[Bar]) -> Sequence[Bar]:
        for revision in self._revisions.get(symbol, ()):
            bars = [revision.apply(bar) for bar in bars]
        return bars
