"""Whether a load makes sense, before it is accepted."""

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
_TEXT_FIELDS: Final = ("symbol", "exchange", "primary_exchange", "currency")
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
    if not instrument.symbol.strip() and not instrument.contract_id:
        yield "symbol", "name the instrument by its symbol or contract_id"
    if instrument.contract_id < 0:
        yield "contract_id", "is a positive number"
    if instrument.security_type not in bars_pb2.SecurityType.values():
        yield "security_type", "is none of the security types"
    for field in _TEXT_FIELDS:
        text = getattr(instrument, field)
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            yield field, f"has at most {_LONGEST_TEXT} printable characters"


def instant_of(timestamp: Timestamp) -> datetime | None:
    """Return a timestamp's instant, UTC; None when it is out of range."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        return None


def _faults(spec: ib_pb2.DataLoadSpec) -> Iterator[tuple[str, str]]:
    if not spec.instruments:
        yield "instruments", "name at least one instrument"
    if len(spec.instruments) > MOST_INSTRUMENTS:
        yield "instruments", f"are at most {MOST_INSTRUMENTS}"
    seen: set[bytes] = set()
    for index, instrument in enumerate(spec.instruments):
        for field, text in check_instrument(instrument):
            yield f"instruments[{index}].{field}", text
        content = instrument.SerializeToString(deterministic=True)
        if content in seen:
            yield f"instruments[{index}]", "is named twice"
        seen.add(content)
    if spec.bar_size not in BAR_LENGTHS:
        yield "bar_size", f"is missing or none of IB's: {_NAMES}"
    if spec.what_to_show and spec.what_to_show not in WHAT_TO_SHOW:
        yield "what_to_show", "is none of TRADES, MIDPOINT, BID, ASK"
    if spec.mode not in ib_pb2.DataLoadSpec.Mode.values():
        yield "mode", "is not a mode of this host: use MODE_RANGE"
    yield from _range_faults(spec)


def _range_faults(spec: ib_pb2.DataLoadSpec) -> Iterator[tuple[str, str]]:
    for field in ("start_time", "end_time"):
        if not spec.HasField(field):
            yield field, "is missing"
        elif instant_of(getattr(spec, field)) is None:
            yield field, "is no valid time"
    start, end = instant_of(spec.start_time), instant_of(spec.end_time)
    if spec.HasField("start_time") and spec.HasField("end_time") and start and end and end <= start:
        yield "end_time", f"is not after start_time ({end:%Y-%m-%d %H:%M} and {start:%Y-%m-%d %H:%M} UTC)"
