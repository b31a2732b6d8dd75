"""Recorded history the way IB serves it."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise

from services.ib_host.replay.bars import Bar, BarSize, Size, aggregate, typical_price
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.instruments import Instrument, instruments
from services.ib_host.replay.market import session_close, session_open
from services.ib_host.replay.recorded import RecordedDay, read_packaged_recording
from services.ib_host.replay.served_history import View

_SMALLEST_SPLIT = 5 / 4
_SPLIT_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Split:
    """A stock split.

    Attributes:
        session: first day on which the stock trades at the new price.
        ratio: new shares for one old share.
    """

    session: date
    ratio: Fraction


class SourceHistory:
    """The bars of every recorded stock, and so what a client of the gateway should end up with.

    TRADES is adjusted for splits as IB does it: prices before a split are divided by its ratio, and volumes multiplied.
    Only splits that have happened by the moment of asking count. ADJUSTED_LAST scales raw prices by the recorded
    adjusted close, which also knows dividends, and the splits that came after the recording's last day.

    Args:
        recording: ascending days by symbol.
    """

    def __init__(self, recording: Mapping[str, Sequence[RecordedDay]]) -> None:
        self._recording = recording
        self._splits = {symbol: find_splits(days) for symbol, days in recording.items()}
        self._adjusted: dict[tuple[str, str, int], tuple[Bar, ...]] = {}

    @classmethod
    def packaged(cls) -> "SourceHistory":
        """Return the history of AAPL, FB, GOOG, IBM and MSFT from 2000-03-01 to 2013-03-01."""
        return cls(read_packaged_recording())

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in alphabetical order."""
        return tuple(sorted(self._recording))

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The recorded stocks, by symbol."""
        return instruments(self.symbols)

    @property
    def end(self) -> datetime:
        """Midnight (UTC) after the last recorded session: all bars are known then."""
        last = max(days[-1].session for days in self._recording.values())
        return datetime.combine(last + timedelta(days=1), time(), UTC)

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the recorded trading days of a stock, ascending."""
        return [day.session for day in self._recording[symbol]]

    def splits(self, symbol: str) -> Sequence[Split]:
        """Return the splits of a stock within its recorded days, ascending."""
        return self._splits[symbol]

    def refusal(self, symbol: str, size: Size) -> str:  # noqa: ARG002 -- all stocks have the same sizes
        """Return why there are no bars of a size: all are made of days."""
        return "" if isinstance(size, BarSize) else "Only daily history was recorded: use 1 day, 1W or 1M"

    def head(self, symbol: str, what: str = "TRADES", *, use_rth: bool = True) -> datetime:  # noqa: ARG002 -- days are of regular hours, and quotes made of trades
        """Return the opening of the first recorded session."""
        return session_open(self._recording[symbol][0].session)

    def bars(
        self,
        symbol: str,
        size: Size = BarSize.DAY,
        what: str = "TRADES",
        *,
        as_of: datetime | None = None,
        use_rth: bool = True,  # noqa: ARG002 -- days are of regular hours
    ) -> Sequence[Bar]:
        """Return the bars of a stock from its first session on.

        Args:
            symbol: one of `symbols`.
            size: a week or month that is not over at `as_of` is returned as far as it goes.
            what: one of `KINDS`.
            as_of: aware; sessions that close later are left out, and splits that come later are not applied.
                Without it, all of them count.
            use_rth: changes nothing: the days are of regular hours.

        Raises:
            KeyError: the stock was not recorded.
            ValueError: the size is shorter than a day.
        """
        if refusal := self.refusal(symbol, size):
            raise ValueError(refusal)
        return self.bars_until(symbol, size, what, end=as_of or self.end, as_of=as_of or self.end)

    def window(
        self, symbol: str, view: View, duration: Duration, *, end: datetime, as_of: datetime
    ) -> tuple[datetime, Sequence[Bar]]:
        """Return where a window begins, and the bars whose last session closes in it; all are of regular hours."""
        start = duration.start(end, self.sessions(symbol))
        until_end = self.bars_until(symbol, view.size, view.what, end=end, as_of=as_of)
        return start, until_end[bisect_right(until_end, start, key=lambda bar: session_close(bar.session)) :]

    def bars_until(self, symbol: str, size: Size, what: str, *, end: datetime, as_of: datetime) -> Sequence[Bar]:
        """Return the bars up to `end`, adjusted for all splits known at `as_of`; arguments as in `bars`."""
        assert isinstance(size, BarSize)
        days = self._recording[symbol]
        known = bisect_right(days, min(end, as_of), key=lambda day: session_close(day.session))
        splits_known = bisect_right(self._splits[symbol], as_of, key=lambda split: session_close(split.session))
        return aggregate(self._daily(symbol, what, splits_known)[:known], size)

    def _daily(self, symbol: str, what: str, splits_known: int) -> tuple[Bar, ...]:
        key = (symbol, what, splits_known)
        if key not in self._adjusted:
            splits = self._splits[symbol][:splits_known]
            self._adjusted[key] = tuple(_bar(day, what, splits) for day in self._recording[symbol])
        return self._adjusted[key]


def find_splits(days: Sequence[RecordedDay]) -> list[Split]:
    """Find the splits in recorded days.

    The ratio of close to adjusted close drops by the split's ratio from one session to the next. Dividends lower it
    too, but by odd amounts: a step counts as a split only when it is a plain fraction, and at least five for four.
    """
    splits = []
    for before, after in pairwise(days):
        step = (before.close / before.adjusted_close) / (after.close / after.adjusted_close)
        if step < _SMALLEST_SPLIT - _SPLIT_TOLERANCE:
            continue
        ratio = Fraction(step).limit_denominator(4)
        if abs(step / ratio - 1) < _SPLIT_TOLERANCE:
            splits.append(Split(after.session, ratio))
    return splits


def _bar(day: RecordedDay, what: str, splits: Sequence[Split]) -> Bar:
    shares = Fraction(1)
    for split in splits:
        if day.session < split.session:
            shares *= split.ratio
    # A factor that is a power of two, the usual split, is exact: the prices keep their decimals.
    factor = day.adjusted_close / day.close if what == "ADJUSTED_LAST" else float(1 / shares)
    open_, high, low, close = (price * factor for price in (day.open, day.high, day.low, day.close))
    if what in {"MIDPOINT", "BID", "ASK"}:
        return Bar(day.session, open_, high, low, close, volume=-1, average=-1, count=-1)
    volume = round(day.volume * shares)
    average = typical_price(open_, high, low, close)
    return Bar(day.session, open_, high, low, close, volume, average, count=max(1, volume // 100))
