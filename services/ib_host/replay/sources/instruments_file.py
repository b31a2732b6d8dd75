"""The optional file instruments.toml of a folder of bars: what its symbols stand for."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from services.ib_host.replay.hours import MarketHours, Span
from services.ib_host.replay.instruments import Instrument, instruments
from services.ib_host.replay.market import NEW_YORK, NEW_YORK_ON_THE_WIRE
from services.ib_host.replay.markets import MARKETS
from services.ib_host.replay.recorded import RecordingError

FILE_NAME = "instruments.toml"

_KEYS = (
    *("name", "exchange", "currency", "security_type", "time_zone", "regular", "extended"),
    *("symbol", "local_symbol", "expiry", "multiplier"),
)
_SECURITY_TYPES = ("STK", "CASH", "IND", "FUT", "CFD", "CMDTY")


def read_instruments(folder: Path, symbols: Iterable[str]) -> Mapping[str, Instrument]:
    """Return the instrument of each symbol: a stock in dollars where the folder says nothing else.

    Raises:
        RecordingError: the file can't be used; the message names it, the symbol and the key.
    """
    known, path = instruments(symbols), folder / FILE_NAME
    try:
        tables = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        return known | {symbol: _described(known, symbol, table) for symbol, table in tables.items()}
    except (OSError, ValueError) as error:
        message = f"{path} can't be used: {error}"
        raise RecordingError(message) from error


def _described(known: Mapping[str, Instrument], symbol: str, table: object) -> Instrument:
    if symbol not in known or not isinstance(table, dict):
        message = f"{symbol} should be a table [{symbol}], with bars in the folder"
        raise ValueError(message)
    instrument = known[symbol]
    values: dict[str, str] = {}
    for key, value in table.items():
        if key not in _KEYS or not isinstance(value, str) or not value.isprintable() or not value:
            message = f"[{instrument.symbol}] {key} should be a text, and one of {', '.join(_KEYS)}"
            raise ValueError(message)
        values[key] = value
    kind = values.get("security_type", instrument.security_type)
    if kind not in _SECURITY_TYPES:
        message = f"[{instrument.symbol}] security_type should be one of {', '.join(_SECURITY_TYPES)}"
        raise ValueError(message)
    listed = {"CASH": "IDEALPRO", "FUT": "CME", "IND": "CBOE"}.get(kind, instrument.primary_exchange)
    currency, name = values.get("currency", instrument.currency), values.get("symbol", symbol)
    return replace(
        instrument,
        symbol=name,
        local_symbol=values.get("local_symbol", f"{name}.{currency}" if kind == "CASH" else symbol),
        expiry=_expiry(symbol, kind, values),
        multiplier=values.get("multiplier", ""),
        key=symbol,
        name=values.get("name", instrument.name),
        primary_exchange=values.get("exchange", listed),
        trading_class=name if kind != "STK" else instrument.trading_class,
        currency=currency,
        security_type=kind,
        hours=_hours(instrument, kind, values),
    )


def _expiry(symbol: str, kind: str, values: Mapping[str, str]) -> date | None:
    text = values.get("expiry", "")
    if (kind == "FUT") != bool(text):
        message = (
            f'[{symbol}] expiry should be the last trading day of a future, such as "2025-03-21", and of nothing else'
        )
        raise ValueError(message)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        message = f'[{symbol}] expiry = {text!r} should be a day such as "2025-03-21"'
        raise ValueError(message) from error


def _hours(instrument: Instrument, kind: str, values: Mapping[str, str]) -> MarketHours:
    hours = MARKETS[kind].hours if kind in MARKETS else instrument.hours
    if not values.keys() & {"time_zone", "regular", "extended"}:
        return hours
    try:
        zone = ZoneInfo(values["time_zone"]) if "time_zone" in values else hours.zone
        regular = Span.parse(values["regular"]) if "regular" in values else hours.regular
        extended = Span.parse(values["extended"]) if "extended" in values else None
    except (ValueError, KeyError, OSError) as error:  # a zone that is unknown, or the name of a folder of zones
        message = f"[{instrument.symbol}] time_zone, regular or extended: {error}"
        raise ValueError(message) from error
    if extended is None:
        extended = hours.extended if "regular" not in values else regular
    if not extended.opens <= regular.opens < regular.closes <= extended.closes:
        message = f"[{instrument.symbol}] the extended hours should hold the regular ones"
        raise ValueError(message)
    return MarketHours(zone, NEW_YORK_ON_THE_WIRE if zone == NEW_YORK else zone.key, regular, extended)
