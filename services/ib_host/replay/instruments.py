"""The instruments that the gateway knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from services.ib_host.replay.hours import US_STOCK_HOURS, MarketHours

SMART = "SMART"
"""The name of IB's routing over all exchanges."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument, described as IB does.

    Attributes:
        con_id: IB's contract id.
        symbol: also the local symbol.
        name: the company, in IB's spelling.
        primary_exchange: where it is listed.
        trading_class: IB's trading class.
        industry, category, subcategory: IB's classification.
        currency: of its prices.
        security_type: IB's code for its kind.
        hours: when it is traded.
    """

    con_id: int
    symbol: str
    name: str
    primary_exchange: str
    trading_class: str
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    currency: str = "USD"
    security_type: str = "STK"
    hours: MarketHours = US_STOCK_HOURS

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Names under which it can be asked for; of a stock, the routed one first."""
        return (SMART, self.primary_exchange) if self.security_type == "STK" else (self.primary_exchange,)


_KNOWN = {
    instrument.symbol: instrument
    for instrument in (
        Instrument(265598, "AAPL", "APPLE INC", "NASDAQ", "NMS", "Technology", "Computers", "Computers"),
        Instrument(107113386, "FB", "FACEBOOK INC-A", "NASDAQ", "NMS", "Communications", "Internet", "Social Media"),
        Instrument(208813719, "GOOG", "GOOGLE INC-CL A", "NASDAQ", "NMS", "Communications", "Internet", "Web Portals"),
        Instrument(8314, "IBM", "INTL BUSINESS MACHINES CORP", "NYSE", "IBM", "Technology", "Computers", "Services"),
        Instrument(272093, "MSFT", "MICROSOFT CORP", "NASDAQ", "NMS", "Technology", "Software", "Applications"),
    )
}


def instruments(symbols: Iterable[str]) -> dict[str, Instrument]:
    """Return the instrument of each symbol.

    A stock that is not known beside its recording gets its symbol for a name and a contract id derived from it.
    """
    return {symbol: _KNOWN.get(symbol) or _unknown(symbol) for symbol in symbols}


def _unknown(symbol: str) -> Instrument:
    return Instrument(crc32(symbol.encode()) & 0x7FFFFFFF, symbol, symbol, "NASDAQ", "NMS")
