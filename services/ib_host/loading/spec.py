"""Whether a load makes sense, before it is accepted."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import FieldViolation, ServiceError
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.store.identity import WHAT_TO_SHOW

MOST_INSTRUMENTS: Final = 500
_LONGEST_TEXT: Final = 64
_TEXT_FIELDS: Final = ("symbol", "exchange", "primary_exchange", "currency", "local_symbol", "multiplier")
_TRADE_DATE: Final = re.compile(r"\d{6}(\d{2})?")
_QUOTES: Final = frozenset({bars_pb2.WHAT_TO_SHOW_MIDPOINT, bars_pb2.WHAT_TO_SHOW_BID, bars_pb2.WHAT_TO_SHOW_ASK})
_MODES: Final = [name for name in ib_pb2.DataLoadSpec.Mode.keys() if name != "MODE_UNSPECIFIED"]  # noqa: SIM118 -- no mapping
_NAMES: Final = ", ".join(bar.name for bar in BAR_LENGTHS.values())


def check_spec(spec: ib_pb2.DataLoadSpec, *, path: str = "spec") -> None:
    """Check what can be checked without the gateway.

    Args:
        spec: of a load.
        path: of the spec within the request.

    Raises:
        ServiceError: INVALID_REQUEST, with every field that is wrong.
    """
    faults = [FieldViolation(f"{path}.{field}", text) for field, text in _faults(spec)]
    if faults:
        raise invalid_request(faults)


def invalid_request(faults: list[FieldViolation]) -> ServiceError:
    """Return the error for some faults; its message names them too."""
    detail = "; ".join(f"{fault.field}: {fault.description}" for fault in faults)
    return ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=faults, detail=detail)


def check_instrument(instrument: bars_pb2.Instrument) -> Iterator[tuple[str, str]]:
    """Yield the faults of an instrument's description, as field and text."""
    if not instrument.symbol.strip() and not instrument.contract_id and not instrument.local_symbol.strip():
        yield "symbol", "name the instrument by its symbol, local_symbol or contract_id"
    if instrument.contract_id < 0:
        yield "contract_id", "is a positive number"
    if instrument.security_type not in bars_pb2.SecurityType.values():
        yield "security_type", "is none of the security types"
    for field in _TEXT_FIELDS:
        text = getattr(instrument, field)
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            yield field, f"has at most {_LONGEST_TEXT} printable characters"
    if instrument.last_trade_date and not _TRADE_DATE.fullmatch(instrument.last_trade_date.replace("-", "")):
        yield "last_trade_date", 'is a month such as "202503" or a day such as "20250321"'


def what_faults(
    security_type: bars_pb2.SecurityType.ValueType, what: bars_pb2.WhatToShow.ValueType
) -> Iterator[tuple[str, str]]:
    """Yield what such instruments have no bars of, as field and text.

    Args:
        security_type: of an instrument; unspecified where it is not known yet.
        what: to show; unspecified for trades.
    """
    what = what or bars_pb2.WHAT_TO_SHOW_TRADES
    name = WHAT_TO_SHOW.get(what, "")
    if security_type == bars_pb2.SECURITY_TYPE_FOREX and what not in _QUOTES:
        yield "what_to_show", f"{name} is not there for currencies, which have quotes only: use MIDPOINT, BID or ASK"
    if security_type == bars_pb2.SECURITY_TYPE_INDEX and what != bars_pb2.WHAT_TO_SHOW_TRADES:
        yield "what_to_show", f"{name} is not there for indices, which are not quoted: use TRADES"
    if security_type == bars_pb2.SECURITY_TYPE_FUTURE and what == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST:
        yield "what_to_show", "ADJUSTED_LAST is not there for futures, which pay no dividends: use TRADES"


def instant_of(timestamp: Timestamp) -> datetime | None:
    """Return a timestamp's instant, UTC; None when it is out of range."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None


def _faults(spec: ib_pb2.DataLoadSpec) -> Iterator[tuple[str, str]]:
    yield from _instrument_faults(spec)
    if spec.bar_size not in BAR_LENGTHS:
        yield "bar_size", f"is missing or none of IB's: {_NAMES}"
    if spec.what_to_show and spec.what_to_show not in WHAT_TO_SHOW:
        yield "what_to_show", f"is none of {', '.join(WHAT_TO_SHOW.values())}"
    else:
        types = {instrument.security_type or _type_of(instrument) for instrument in spec.instruments}
        for security_type in sorted(types):
            yield from what_faults(security_type, spec.what_to_show)
    if spec.mode not in ib_pb2.DataLoadSpec.Mode.values():
        yield "mode", f"is none of {', '.join(_MODES)}"
    yield from _range_faults(spec)


def _instrument_faults(spec: ib_pb2.DataLoadSpec) -> Iterator[tuple[str, str]]:
    if not spec.instruments:
        yield "instruments", "name at least one instrument"
    if len(spec.instruments) > MOST_INSTRUMENTS:
        yield "instruments", f"are at most {MOST_INSTRUMENTS}"
    seen: set[bytes] = set()
    for index, instrument in enumerate(spec.instruments):
        for field, text in check_instrument(instrument):
            yield f"instruments[{index}].{field}", text
        if instrument.security_type == bars_pb2.SECURITY_TYPE_FUTURE and not (
            instrument.last_trade_date or instrument.local_symbol or instrument.contract_id
        ):
            text = 'is needed to tell a future from those of other months: "202503", or local_symbol "ESH5"'
            yield f"instruments[{index}].last_trade_date", text
        content = instrument.SerializeToString(deterministic=True)
        if content in seen:
            yield f"instruments[{index}]", "is named twice"
        seen.add(content)


def _type_of(instrument: bars_pb2.Instrument) -> bars_pb2.SecurityType.ValueType:
    """Return what an unspecified type stands for: with a contract id only the gateway knows."""
    return bars_pb2.SECURITY_TYPE_UNSPECIFIED if instrument.contract_id else bars_pb2.SECURITY_TYPE_STOCK


def _range_faults(spec: ib_pb2.DataLoadSpec) -> Iterator[tuple[str, str]]:
    mode = ib_pb2.DataLoadSpec
    wish = spec.mode or mode.MODE_RANGE
    adjusted = spec.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST and wish != mode.MODE_LOCAL
    if adjusted and wish not in {mode.MODE_TAIL, mode.MODE_FULL}:
        yield "mode", "is to be MODE_FULL for ADJUSTED_LAST: each dividend changes all bars, so all are loaded at once"
    for field in ("start_time", "end_time"):
        if spec.HasField(field) and instant_of(getattr(spec, field)) is None:
            yield field, "is no valid time"
        elif adjusted and spec.HasField(field):
            yield field, "can't be chosen for ADJUSTED_LAST: all bars up to now are loaded at once; leave it out"
        elif wish == mode.MODE_RANGE and not adjusted and not spec.HasField(field):
            yield field, "is missing; other modes than MODE_RANGE can do without"
    start, end = instant_of(spec.start_time), instant_of(spec.end_time)
    if spec.HasField("start_time") and spec.HasField("end_time") and start and end and end <= start:
        yield "end_time", f"is not after start_time ({end:%Y-%m-%d %H:%M} and {start:%Y-%m-%d %H:%M} UTC)"
