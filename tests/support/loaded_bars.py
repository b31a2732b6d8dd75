"""What a load has stored, beside what its gateway has."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.replay.bars import BarSize, Size
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.store.bar_store import BarStore

Rows = list[tuple[object, ...]]
_COLUMNS = ("time", "open", "high", "low", "close", "volume")
Mode = ib_pb2.DataLoadSpec


def day(year: int, month: int, number: int) -> datetime:
    """Return a midnight."""
    return datetime(year, month, number, tzinfo=UTC)


def stored_rows(home: Path, key: bars_pb2.DatasetKey) -> Rows:
    """Return time, prices and volume of all stored bars."""
    snapshot = BarStore(home).open(key)
    assert snapshot is not None
    with snapshot:
        table = pa.concat_tables(snapshot.tables())
    return list(zip(*[table.column(name).to_pylist() for name in _COLUMNS], strict=True))


def source_rows(
    gateway: ReplayServer,
    symbol: str,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    size: Size = BarSize.DAY,
    what: str = "TRADES",
) -> Rows:
    """Return the same of the bars of regular hours that the gateway has now, from start until before end."""
    rows: Rows = []
    for bar in gateway.history.bars(symbol, size, what):
        time = bar.start or datetime.combine(bar.session, datetime.min.time(), UTC)
        if (start is None or time >= start) and (end is None or time < end):
            rows.append((time, bar.open, bar.high, bar.low, bar.close, bar.volume))
    return rows


def asked(gateway: ReplayServer) -> list[tuple[str, str]]:
    """Return end and duration of every request for bars."""
    return [(frame.fields[15], frame.fields[17]) for frame in gateway.journal.of(Inbound.HISTORICAL_DATA)]


def ledger_of(home: Path, key: bars_pb2.DatasetKey) -> DatasetLedger:
    """Return a dataset's ledger."""
    return DatasetLedger.open(BarStore(home).folder(key))


def mode_spec(
    mode: "ib_pb2.DataLoadSpec.Mode.ValueType",
    *symbols: str,
    start: datetime | None = None,
    end: datetime | None = None,
    bar_size: bars_pb2.BarSize.ValueType = bars_pb2.BAR_SIZE_1_DAY,
    **fields: object,
) -> ib_pb2.DataLoadSpec:
    """Return the spec of a load of a mode."""
    spec = ib_pb2.DataLoadSpec(
        instruments=[bars_pb2.Instrument(symbol=symbol) for symbol in symbols or ("AAPL",)],
        mode=mode,
        bar_size=bar_size,
        **fields,  # type: ignore[arg-type]  # what a test wants to set
    )
    if start is not None:
        spec.start_time.FromDatetime(start)
    if end is not None:
        spec.end_time.FromDatetime(end)
    return spec
