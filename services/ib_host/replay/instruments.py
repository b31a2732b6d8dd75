"""The instruments that the gateway knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zlib import crc32

from services.ib_host.replay.hours import MarketHours
from services.ib_host.replay.markets import US_STOCK_HOURS

SMART = "SMART"
"""The name of IB's routing over all exchanges."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument, described as IB does.

    Attributes:
        con_id: IB's contract id.
        symbol: of a future, that of all its contracts; of a currency, the one that is bought.
        name: the company, in IB's spelling.
        primary_exchange: where it is listed.
        trading_class: IB's trading class.
        industry, category, subcategory: IB's classification.
        currency: of its prices.
        security_type: IB's code for its kind.
        hours: when it is traded.
        local_symbol: its name at its exchange, such as ESH5 or EUR.USD; empty where that is the symbol.
        expiry: last day on which a future is traded.
        multiplier: what a point of a future's price is worth.
        min_tick: the least change of its price.
        key: the name under which the history has it; empty where that is the symbol.
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
    local_symbol: str = ""
    expiry: date | None = None
    multiplier: str = ""
    min_tick: float = 0.01
    key: str = ""

    @property
    def history_key(self) -> str:
        """The name under which the history has it."""
        return self.key or self.symbol

    @property
    def local_name(self) -> str:
        """Its name at its exchange."""
        return self.local_symbol or self.symbol

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Names under which it can be asked for; of a stock, the routed one first."""
        return (SMART, self.primary_exchange) if self.security_type == "STK" else (self.primary_exchange,)

    @property
    def contract_month(self) -> str:
        """Year and month of a future's contract, else nothing."""
        return f"{self.expiry:%Y%m}" if self.expiry else ""

    @property
    def has_trades(self) -> bool:
        """Whether its trades are told: those of currencies are not."""
        return self.security_type not in {"CASH", "CFD"}


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
    """Return the stock of each symbol.

    One that is not known beside its recording gets its symbol for a name and a contract id derived from it.
    """
    return {symbol: _KNOWN.get(symbol) or _unknown(symbol) for symbol in symbols}


def con_id(name: str) -> int:
    """Return a contract id that is the same for the same name."""
    return crc32(name.encode()) & 0x7FFFFFFF


def _unknown(symbol: str) -> Instrument:
    return Instrument(con_id(symbol), symbol, symbol, "NASDAQ", "NMS")
