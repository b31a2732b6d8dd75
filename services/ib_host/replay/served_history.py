"""What the handlers ask of a history, wherever its bars come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.ib_host.replay.bars import Bar, BarSize, Size
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.instruments import Instrument

KINDS = ("TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK")
"""What can be shown. Quotes were not recorded: MIDPOINT, BID and ASK have the prices of TRADES, and no volume."""


@dataclass(frozen=True, slots=True)
class View:
    """Which bars of a stock are asked for.

    Attributes:
        size: their size.
        what: one of `KINDS`.
        use_rth: of the regular session only.
    """

    size: Size
    what: str
    use_rth: bool


class ServedHistory(Protocol):
    """The bars of some instruments."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in alphabetical order."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What the symbols stand for."""

    @property
    def end(self) -> datetime:
        """The UTC instant by which all bars are known."""

    def sessions(self, symbol: str) -> Sequence[date]:
        """Return the trading days of a stock, ascending."""

    def refusal(self, symbol: str, size: Size) -> str:
        """Return why there are no bars of a size, for the client; empty when there are."""

    def head(self, symbol: str, what: str = "TRADES", *, use_rth: bool) -> datetime:
        """Return the aware instant at which the history of an instrument begins, for one of `KINDS`."""

    def bars(
        self,
        symbol: str,
        size: Size = BarSize.DAY,
        what: str = "TRADES",
        *,
        as_of: datetime | None = None,
        use_rth: bool = True,
    ) -> Sequence[Bar]:
        """Return all bars that are known at `as_of`; by default all, of regular hours.

        Raises:
            KeyError: there is no such stock.
            ValueError: there are no bars of this size.
        """

    def window(
        self, symbol: str, view: View, duration: Duration, *, end: datetime, as_of: datetime
    ) -> tuple[datetime, Sequence[Bar]]:
        """Return where a window begins, and its bars.

        Args:
            symbol: one of `symbols`.
            view: of a size that is not refused.
            duration: how far the window reaches back.
            end: aware; its end.
            as_of: aware; splits that come later are not applied.
        """
