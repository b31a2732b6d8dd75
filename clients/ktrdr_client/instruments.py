"""Instruments as people write and read them: AAPL, EUR.USD, ESH5."""

import re
from typing import Final

from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.bars_pb2 import Instrument

from ktrdr_client.states import parse_security_type

CURRENCIES: Final = frozenset({
    "AED", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNH", "CNY", "COP", "CZK", "DKK", "EUR", "GBP",
    "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP",
    "PLN", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "UYU", "ZAR",
})  # fmt: skip
"""Currencies (ISO 4217 and CNH) by which a pair is told from the symbol of a stock."""


def parse_instrument(
    symbol: str,
    *,
    security_type: str = "",
    exchange: str = "",
    primary_exchange: str = "",
    currency: str = "",
    contract_id: int = 0,
    last_trade_date: str = "",
    local_symbol: str = "",
) -> Instrument:
    """Return the instrument that a symbol and what else is known describe.

    Args:
        symbol: "AAPL"; a currency pair also as "EURUSD", "EUR.USD" or "EUR/USD", which says that it is forex.
        security_type: "stock", "forex", "future" or "index"; empty: a currency pair is forex, anything else a stock,
            and what has a month or a local symbol a future.
        exchange: Exchange that requests are routed to.
        primary_exchange: Exchange that lists it.
        currency: Its currency.
        contract_id: IB's number of the contract.
        last_trade_date: Month or last trading day of a future: "202503", "20250321".
        local_symbol: Symbol at its exchange, such as "ESH5".

    Raises:
        ValueError: The kind is none, the currencies contradict each other, or the month is none.
    """
    symbol = symbol.strip().upper()
    kind = parse_security_type(security_type)
    month = last_trade_date.strip().replace("-", "")
    if month and not re.fullmatch(r"\d{6}(\d{2})?", month):
        message = f"{last_trade_date!r} is no month and no day; write 202503 or 20250321"
        raise ValueError(message)
    pair = currency_pair(symbol)
    if pair is not None and kind in {bars_pb2.SECURITY_TYPE_UNSPECIFIED, bars_pb2.SECURITY_TYPE_FOREX}:
        kind = bars_pb2.SECURITY_TYPE_FOREX
        if currency.strip().upper() not in {"", pair[1]}:
            message = f"{symbol} is a price in {pair[1]}, not in {currency.strip().upper()}"
            raise ValueError(message)
        symbol, currency = pair
    if not kind and (month or local_symbol):
        kind = bars_pb2.SECURITY_TYPE_FUTURE
    return Instrument(
        symbol=symbol,
        security_type=kind,
        exchange=exchange.strip().upper(),
        primary_exchange=primary_exchange.strip().upper(),
        currency=currency.strip().upper(),
        contract_id=contract_id,
        last_trade_date=month,
        local_symbol=local_symbol.strip().upper(),
    )


def currency_pair(text: str) -> tuple[str, str] | None:
    """Return base and quote of a currency pair: "EUR.USD", "EUR/USD" or "EURUSD"; None if it is none."""
    match = re.fullmatch(r"([A-Z]{3})[./]?([A-Z]{3})", text.strip().upper())
    if match is None or match[1] == match[2] or not {match[1], match[2]} <= CURRENCIES:
        return None
    return match[1], match[2]


def as_instrument(symbol: str | Instrument) -> Instrument:
    """Return an instrument as it is, or the one that a symbol names."""
    return parse_instrument(symbol) if isinstance(symbol, str) else symbol


def instrument_title(instrument: Instrument) -> str:
    """Return what people call an instrument: "AAPL", "EUR.USD", "ESH5", "ES 202503"."""
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX and instrument.currency:
        return f"{instrument.symbol}.{instrument.currency}"
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FUTURE:
        if instrument.local_symbol:
            return instrument.local_symbol
        return f"{instrument.symbol} {instrument.last_trade_date}".rstrip()
    return instrument.symbol or (f"contract {instrument.contract_id}" if instrument.contract_id else "")


def means(wanted: Instrument, stored: Instrument) -> bool:
    """Say whether an instrument as people describe it is this one; a local symbol may stand for the symbol."""
    pairs = (
        (wanted.security_type, stored.security_type),
        (wanted.exchange, stored.exchange),
        (wanted.primary_exchange, stored.primary_exchange),
        (wanted.currency, stored.currency),
        (wanted.contract_id, stored.contract_id),
        (wanted.local_symbol, stored.local_symbol),
        (wanted.last_trade_date, stored.last_trade_date[: len(wanted.last_trade_date)]),
    )
    named = wanted.symbol in {"", stored.symbol, stored.local_symbol}
    return named and all(not asked or asked == has for asked, has in pairs)


def default_prices(instrument: Instrument) -> str:
    """Return what the bars of an instrument show unless it is said: forex has no trades, so it is the midpoint."""
    return "midpoint" if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX else "trades"
