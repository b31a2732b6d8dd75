"""Finding the one dataset that a request means."""

from collections.abc import Sequence
from datetime import datetime

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import FieldViolation, ServiceError
from services.ib_host.store.bar_store import Listing
from services.ib_host.store.commands import load_command, recovery
from services.ib_host.store.identity import bar_length, symbol_folder, title_of
from services.ib_host.store.manifest import corrupt


def matches(wanted: bars_pb2.DatasetKey, stored: bars_pb2.DatasetKey) -> bool:
    """Tell whether a complete key is what a request means; what that leaves out fits anything, or its default."""
    instrument = wanted.instrument
    pairs = (
        (wanted.source, stored.source),
        (instrument.contract_id, stored.instrument.contract_id),
        (instrument.security_type, stored.instrument.security_type),
        (instrument.exchange, stored.instrument.exchange),
        (instrument.primary_exchange, stored.instrument.primary_exchange),
        (instrument.currency, stored.instrument.currency),
        (instrument.local_symbol, stored.instrument.local_symbol),
        (instrument.last_trade_date, stored.instrument.last_trade_date[: len(instrument.last_trade_date)]),
    )
    is_forex = stored.instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX
    # Nobody trades at the prices of a currency pair that IB has.
    usual = bars_pb2.WHAT_TO_SHOW_MIDPOINT if is_forex else bars_pb2.WHAT_TO_SHOW_TRADES
    return (
        instrument.symbol.upper() in _names(stored.instrument)
        and all(not asked or asked == has for asked, has in pairs)
        and (wanted.what_to_show or usual) == stored.what_to_show
        and (wanted.use_rth if wanted.HasField("use_rth") else True) == stored.use_rth
        and wanted.bar_size == stored.bar_size
    )


def _names(stored: bars_pb2.Instrument) -> set[str]:
    """Return the symbols by which a stored instrument is meant; a currency pair also by both of its currencies."""
    names = {"", stored.symbol.upper(), stored.local_symbol.upper()}
    if stored.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        names |= {f"{stored.symbol}.{stored.currency}".upper(), f"{stored.symbol}{stored.currency}".upper()}
    return names


def choose(
    wanted: bars_pb2.DatasetKey,
    listing: Listing,
    *,
    start: datetime | None,
    end: datetime | None,
    now: datetime,
) -> bars_pb2.Dataset:
    """Return the one dataset that fits.

    Args:
        wanted: the key of the request, with bar size and instrument.
        listing: at least all that may be meant.
        start: begin of the range of the request, for the command in the error.
        end: its end, exclusive.
        now: UTC; the command's end where the request has none.

    Raises:
        ServiceError: DATASET_NOT_FOUND with the command that loads it; DATASET_AMBIGUOUS; STORE_CORRUPT where it may be
            a damaged one that is meant.
    """
    bar = bar_length(wanted)
    found = [dataset for dataset in listing.datasets if matches(wanted, dataset.key)]
    if not found:
        symbol = wanted.instrument.symbol.upper()
        for path in listing.damaged:
            meant = path.parent.name.startswith(symbol_folder(symbol)) and path.name.startswith(f"{bar.name}-")
            if symbol and meant:
                raise corrupt(path.as_posix(), recovery(wanted))
        reason = ErrorReason.ERROR_REASON_DATASET_NOT_FOUND
        raise ServiceError(reason, dataset=title_of(wanted), command=load_command(wanted, start, end, now))
    if len({dataset.key.source for dataset in found}) > 1:
        sources = " or ".join(sorted({bars_pb2.Source.Name(dataset.key.source) for dataset in found}))
        raise _ambiguous(wanted, FieldViolation("key.source", f"Several sources have it: set source to {sources}."))
    # Imported bars may belong to no contract of IB: without a number, a request means those.
    found = [dataset for dataset in found if not dataset.key.instrument.contract_id] or found
    if len(found) > 1:
        raise _ambiguous(wanted, _difference([dataset.key.instrument for dataset in found]))
    return found[0]


def _difference(instruments: Sequence[bars_pb2.Instrument]) -> FieldViolation:
    """Return what tells instruments of one symbol apart."""
    field = "contract_id" if instruments[0].contract_id else "currency"
    if not instruments[0].contract_id and any(each.local_symbol for each in instruments):
        field = "local_symbol"
    values = ", ".join(sorted({str(getattr(each, field)) for each in instruments}))
    return FieldViolation(f"key.instrument.{field}", f"Several instruments fit: set {field} to one of {values}.")


def _ambiguous(wanted: bars_pb2.DatasetKey, violation: FieldViolation) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_DATASET_AMBIGUOUS
    return ServiceError(reason, fields=[violation], dataset=title_of(wanted), detail=violation.description)
