"""Instruments as the gateway knows them."""

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
_SMART: Final = "SMART"
_DEFAULT_EXCHANGES: Final = {bars_pb2.SECURITY_TYPE_STOCK: _SMART, bars_pb2.SECURITY_TYPE_FOREX: "IDEALPRO"}


def with_defaults(instrument: bars_pb2.Instrument) -> bars_pb2.Instrument:
    """Return a description with what empty fields stand for: a stock, in dollars, at SMART (a currency at IDEALPRO)."""
    described = bars_pb2.Instrument()
    described.CopyFrom(instrument)
    described.symbol = instrument.symbol.strip().upper()
    if not described.contract_id or described.security_type:
        described.security_type = described.security_type or bars_pb2.SECURITY_TYPE_STOCK
        described.currency = described.currency.upper() or "USD"
    if not described.exchange:
        described.exchange = _DEFAULT_EXCHANGES.get(described.security_type, _SMART if described.contract_id else "")
    return described


def to_contract(instrument: bars_pb2.Instrument) -> Any:
    """Return the library's contract for an instrument."""
    return new_contract(
        conId=instrument.contract_id,
        symbol=instrument.symbol,
        secType=SECURITY_TYPES.get(instrument.security_type, ""),
        exchange=instrument.exchange,
        primaryExchange=instrument.primary_exchange,
        currency=instrument.currency,
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
    """Return what people call an instrument."""
    return instrument.symbol or f"contract {instrument.contract_id}"


def difference(instrument: bars_pb2.Instrument) -> str:
    """Return what tells an instrument from others of the same symbol, for people."""
    kind = bars_pb2.SecurityType.Name(instrument.security_type).removeprefix("SECURITY_TYPE_").lower()
    exchange = instrument.primary_exchange or instrument.exchange
    return f"{kind} at {exchange} in {instrument.currency} (contract id {instrument.contract_id})"


def _from_contract(contract: Any) -> bars_pb2.Instrument:
    return bars_pb2.Instrument(
        symbol=contract.symbol,
        security_type=_FROM_GATEWAY.get(contract.secType, bars_pb2.SECURITY_TYPE_UNSPECIFIED),
        exchange=contract.exchange,
        primary_exchange=contract.primaryExchange,
        currency=contract.currency,
        contract_id=contract.conId,
    )
