"""Bars that a host has stored: its folder of bars, or a part of it, replayed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.replay.hours import MarketHours, Span
from services.ib_host.replay.instruments import Instrument, con_id, instruments
from services.ib_host.replay.market import NEW_YORK
from services.ib_host.replay.markets import MARKETS
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.bar_files import DAY_SECONDS, BarRow
from services.ib_host.replay.sources.folder import FolderBars
from services.ib_host.replay.sources.intraday import IntradayHistory
from services.ib_host.store.manifest import NAME as MANIFEST
from services.ib_host.store.snapshot import Snapshot

_COLUMNS = ("time", "open", "high", "low", "close", "volume")
_REPAIR = "repair"
_WHOLE_DAY = Span.parse("00:00-24:00")
_SECURITY_TYPES = {
    bars_pb2.SECURITY_TYPE_FOREX: "CASH",
    bars_pb2.SECURITY_TYPE_FUTURE: "FUT",
    bars_pb2.SECURITY_TYPE_INDEX: "IND",
}
_SOURCES = (bars_pb2.SOURCE_IB, bars_pb2.SOURCE_IMPORTED, bars_pb2.SOURCE_REPLAY)
_PREFERRED = (
    bars_pb2.WHAT_TO_SHOW_TRADES,
    bars_pb2.WHAT_TO_SHOW_MIDPOINT,
    bars_pb2.WHAT_TO_SHOW_BID,
    bars_pb2.WHAT_TO_SHOW_ASK,
    bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST,
)


def dataset_folders(folder: Path) -> Sequence[Path]:
    """Return the folders of the datasets that lie in a host's home, or in a folder of its store.

    New versions of datasets, which a load is still making, are none.
    """
    store = folder / "data" / "bars"
    found = (path.parent for path in (store if store.is_dir() else folder).rglob(MANIFEST))
    return sorted(path for path in found if _REPAIR not in path.relative_to(folder).parts)


def open_stored(folder: Path) -> IntradayHistory:
    """Read the datasets of a folder of a host's store, with bars of a day or less.

    Of several datasets of one instrument and bar size, those of IB go before imported and replayed ones, trades before
    quotes, and all hours before regular ones.

    Raises:
        RecordingError: one is damaged, or there is none; the message names it.
    """
    chosen: dict[tuple[str, int], tuple[Path, bars_pb2.DatasetKey]] = {}
    for path, key in sorted(_keys(folder), key=lambda found: _rank(found[1])):
        seconds = round(BAR_LENGTHS[key.bar_size].length.total_seconds())
        chosen.setdefault((_name(key.instrument), seconds), (path, key))
    if not chosen:
        message = f"{folder} holds no datasets with bars of a day or less"
        raise RecordingError(message)
    known = {symbol: _instrument(symbol, key.instrument) for (symbol, _), (_, key) in chosen.items()}
    rows = [row for (symbol, seconds), (path, _) in chosen.items() for row in _rows(path, symbol, seconds)]
    return IntradayHistory(FolderBars(rows, known), known)


def _rank(key: bars_pb2.DatasetKey) -> tuple[int, int, bool]:
    return _SOURCES.index(key.source), _PREFERRED.index(key.what_to_show), key.use_rth


def _keys(folder: Path) -> Iterator[tuple[Path, bars_pb2.DatasetKey]]:
    for path in dataset_folders(folder):
        with _opened(path) as snapshot:
            key = snapshot.dataset.key
        if BAR_LENGTHS[key.bar_size].length.total_seconds() <= DAY_SECONDS:
            yield path, key


def _rows(path: Path, symbol: str, seconds: int) -> Iterator[BarRow]:
    with _opened(path) as snapshot:
        try:
            for table in snapshot.tables(columns=_COLUMNS):
                for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    time, open_, high, low, close, volume = values
                    yield BarRow(path, symbol, seconds, time, open_, high, low, close, max(0, round(volume)))
        except ServiceError as error:
            message = f"{path} can't be used: {error}"
            raise RecordingError(message) from error


def _opened(path: Path) -> Snapshot:
    try:
        snapshot = Snapshot.open(path, public_path=str(path))
    except (ServiceError, OSError) as error:
        message = f"{path} can't be used: {error}"
        raise RecordingError(message) from error
    if snapshot is None:  # it was removed just now
        message = f"{path} holds no dataset any more"
        raise RecordingError(message)
    return snapshot


def _name(stored: bars_pb2.Instrument) -> str:
    """Return the symbol in the history: EUR.USD of a currency, the local symbol of a future, else the symbol."""
    if stored.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        return f"{stored.symbol}.{stored.currency}"
    if stored.security_type == bars_pb2.SECURITY_TYPE_FUTURE:
        return stored.local_symbol or f"{stored.symbol} {stored.last_trade_date}"
    return stored.symbol


def _instrument(name: str, stored: bars_pb2.Instrument) -> Instrument:
    [usual] = instruments([stored.symbol]).values()
    kind = _SECURITY_TYPES.get(stored.security_type, "STK")
    return replace(
        usual,
        con_id=stored.contract_id or con_id(name),
        name=stored.long_name or usual.name,
        primary_exchange=stored.primary_exchange or (stored.exchange if kind != "STK" else usual.primary_exchange),
        trading_class=usual.trading_class if kind == "STK" else name,
        currency=stored.currency or "USD",
        security_type=kind,
        hours=_hours(kind, stored.time_zone),
        local_symbol=name,
        expiry=_expiry(stored.last_trade_date) if kind == "FUT" else None,
        multiplier=stored.multiplier,
        key=name,
    )


def _hours(kind: str, time_zone: str) -> MarketHours:
    """Return the hours of the market; where that is another than ours, whole days by its clock."""
    usual = MARKETS[kind].hours
    names: Mapping[str, ZoneInfo] = {"US/Eastern": NEW_YORK}
    try:
        zone = names.get(time_zone) or (ZoneInfo(time_zone) if time_zone else usual.zone)
    except (KeyError, ValueError, OSError):
        zone = usual.zone
    if zone in {usual.zone, NEW_YORK} or time_zone == usual.zone_on_the_wire:
        return usual
    return MarketHours(zone, time_zone, _WHOLE_DAY, _WHOLE_DAY)


def _expiry(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:8]) if text else None
    except ValueError:
        return None
