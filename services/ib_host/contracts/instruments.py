"""Instruments as the gateway knows them."""

import re
from typing import Any, Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.library import new_contract

SECURITY_TYPES: Final = {
    bars_pb2.SECURITY_TYPE_STOCK: "STK",
    bars_pb2.SECURITY_TYPE_FOREX: "CASH",
    bars_pb2.SECURITY_TYPE_FUTURE: "FUT",
    bars_pb2.SECURITY_TYPE_INDEX: "IND",
}
_FROM_GATEWAY: Final = {code: security_type for security_type, code in SECURITY_TYPES.items()}
_MAY_EXPIRE: Final = frozenset({bars_pb2.SECURITY_TYPE_FUTURE, bars_pb2.SECURITY_TYPE_UNSPECIFIED})
"""Of a contract that is named by its number alone, the type is not known yet."""
_PAIR: Final = re.compile(r"([A-Z]{3})[./]?([A-Z]{3})")
_SMART: Final = "SMART"
_DEFAULT_EXCHANGES: Final = {bars_pb2.SECURITY_TYPE_STOCK: _SMART, bars_pb2.SECURITY_TYPE_FOREX: "IDEALPRO"}


def with_defaults(instrument: bars_pb2.Instrument) -> bars_pb2.Instrument:
    """Return a description with what empty fields stand for.

    A stock in dollars at SMART; a pair of currencies at IDEALPRO, against dollars unless its symbol is a pair, such as
    "EUR.JPY". Of futures, indices, and what is named by its number alone, exchange and currency stay open: the gateway
    tells them.
    """
    described = bars_pb2.Instrument()
    described.CopyFrom(instrument)
    described.symbol = instrument.symbol.strip().upper()
    described.currency = instrument.currency.upper()
    described.local_symbol = instrument.local_symbol.strip().upper()
    described.last_trade_date = instrument.last_trade_date.replace("-", "").strip()
    if not described.contract_id or described.security_type:
        described.security_type = described.security_type or bars_pb2.SECURITY_TYPE_STOCK
    if described.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        _split_pair(described)
    if described.security_type in _DEFAULT_EXCHANGES:
        described.currency = described.currency or "USD"
    if not described.exchange:
        described.exchange = _DEFAULT_EXCHANGES.get(described.security_type, "")
    return described


def to_contract(instrument: bars_pb2.Instrument) -> Any:
    """Return the library's contract for an instrument. Futures are found after their last day, too."""
    return new_contract(
        conId=instrument.contract_id,
        symbol=instrument.symbol,
        secType=SECURITY_TYPES.get(instrument.security_type, ""),
        lastTradeDateOrContractMonth=instrument.last_trade_date,
        multiplier=instrument.multiplier,
        exchange=instrument.exchange,
        primaryExchange=instrument.primary_exchange,
        currency=instrument.currency,
        localSymbol=instrument.local_symbol,
        includeExpired=instrument.security_type in _MAY_EXPIRE,
    )


def from_details(details: Any) -> bars_pb2.Instrument:
    """Return the instrument that contract details describe."""
    instrument = _from_contract(details.contract)
    instrument.long_name = details.longName
    instrument.time_zone = details.timeZoneId
    return instrument


def from_description(description: Any) -> bars_pb2.Instrument:
    """Return the instrument that an answer to a search for symbols describes."""
    instrument = _from_contract(description.contract)
    instrument.long_name = getattr(description.contract, "description", "") or ""
    return instrument


def title_of(instrument: bars_pb2.Instrument) -> str:
    """Return what people call an instrument: "AAPL", "EUR.USD", "ESH5" or "ES 202503"."""
    symbol = instrument.symbol
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FUTURE:
        if instrument.local_symbol:
            return instrument.local_symbol
        return f"{symbol} {instrument.last_trade_date}".strip() or f"contract {instrument.contract_id}"
    if symbol and instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX and instrument.currency:
        return f"{symbol}.{instrument.currency}"
    return symbol or instrument.local_symbol or f"contract {instrument.contract_id}"


def difference(instrument: bars_pb2.Instrument) -> str:
    """Return what tells an instrument from others of the same symbol, for people."""
    kind = bars_pb2.SecurityType.Name(instrument.security_type).removeprefix("SECURITY_TYPE_").lower()
    exchange = instrument.primary_exchange or instrument.exchange
    expiry = f" {instrument.local_symbol} until {instrument.last_trade_date}" if instrument.last_trade_date else ""
    return f"{kind}{expiry} at {exchange} in {instrument.currency} (contract id {instrument.contract_id})"


def _split_pair(instrument: bars_pb2.Instrument) -> None:
    """Read "EUR.JPY", "EUR/JPY" and "EURJPY" as euros in yen."""
    pair = _PAIR.fullmatch(instrument.symbol)
    if pair and instrument.currency in {"", pair[2]}:
        instrument.symbol, instrument.currency = pair[1], pair[2]


def _from_contract(contract: Any) -> bars_pb2.Instrument:
    return bars_pb2.Instrument(
        symbol=contract.symbol,
        security_type=_FROM_GATEWAY.get(contract.secType, bars_pb2.SECURITY_TYPE_UNSPECIFIED),
        exchange=contract.exchange,
        primary_exchange=contract.primaryExchange,
        currency=contract.currency,
        contract_id=contract.conId,
        # Newer gateways add the time of day, and its zone.
        last_trade_date=(contract.lastTradeDateOrContractMonth or "").partition(" ")[0],
        local_symbol=_local_symbol(contract),
        multiplier=contract.multiplier or "",
    )


def _local_symbol(contract: Any) -> str:
    """Return the local symbol where it tells more than the symbol does: of a future."""
    return contract.localSymbol or "" if contract.secType == "FUT" else ""
