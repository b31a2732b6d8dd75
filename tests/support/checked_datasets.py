"""Datasets made of chosen bars, and the verdicts about them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.sessions.choice import calendar_for
from services.ib_host.sessions.session import SessionCalendar
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA
from services.ib_host.verdict.verdict import judge

ASKED = datetime(2020, 1, 1, tzinfo=UTC)
Price = tuple[float, float, float, float]


def key_of(
    symbol: str = "AAPL",
    bar_size: bars_pb2.BarSize.ValueType = bars_pb2.BAR_SIZE_1_DAY,
    *,
    use_rth: bool = True,
    source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_REPLAY,
    what: bars_pb2.WhatToShow.ValueType = bars_pb2.WHAT_TO_SHOW_TRADES,
    **instrument: Any,
) -> bars_pb2.DatasetKey:
    """Return a complete key; without more, of a stock listed at NASDAQ."""
    described: dict[str, Any] = {
        "security_type": bars_pb2.SECURITY_TYPE_STOCK,
        "exchange": "SMART",
        "primary_exchange": "NASDAQ",
        "currency": "USD",
        "contract_id": 265598,
        "time_zone": "US/Eastern",
    } | instrument
    return bars_pb2.DatasetKey(
        source=source,
        instrument=bars_pb2.Instrument(symbol=symbol, **described),
        what_to_show=what,
        use_rth=use_rth,
        bar_size=bar_size,
    )


def bars_at(times: Sequence[datetime], prices: Sequence[Price] = (), volumes: Sequence[float] = ()) -> pa.Table:
    """Return bars of these times, alike unless prices or volumes are given."""
    chosen = prices or [(10.0, 11.0, 9.0, 10.5)] * len(times)
    return pa.table(
        {
            "time": list(times),
            **{name: [price[place] for price in chosen] for place, name in enumerate(("open", "high", "low", "close"))},
            "volume": list(volumes or [100.0] * len(times)),
            "wap": [10.0] * len(times),
            "count": [1] * len(times),
        },
        schema=SCHEMA,
    )


class CheckedDataset:
    """One dataset of a home, with its ledger.

    Args:
        home: the home.
        key: of the dataset.
        bars: what is stored.
    """

    def __init__(self, home: Path, key: bars_pb2.DatasetKey, bars: pa.Table) -> None:
        self.home = home
        self.key = key
        self.store = BarStore(home)
        self.store.merge(key, bars)
        self.folder = self.store.folder(key)
        self.ledger = DatasetLedger.open(self.folder)

    def asked(self, start: datetime, end: datetime, outcome: SpanOutcome = SpanOutcome.DONE, reason: str = "") -> None:
        """Note that the gateway was asked for a stretch of time."""
        request = f"{end:%Y-%m-%d %H:%M} UTC, 1 Y"
        self.ledger.add(
            SpanRecord(
                start=start, end=end, outcome=outcome, reason=reason, time=ASKED, request=request, session="session-1"
            )
        )

    @property
    def calendar(self) -> SessionCalendar | None:
        """The calendar that counts."""
        return calendar_for(self.home, self.folder, self.key)

    def verdict(
        self, start: datetime, end: datetime, *, most_spans: int = 1000, now: datetime | None = None
    ) -> bars_pb2.DatasetVerdict:
        """Return the verdict about a range."""
        records = self.ledger.all_records()
        snapshot = self.store.open(self.key)
        assert snapshot is not None
        with snapshot:
            return judge(snapshot, records, self.calendar, [], start=start, end=end, most_spans=most_spans, now=now)


def span_times(span: bars_pb2.MissingSpan) -> tuple[datetime, datetime, int]:
    """Return begin, end and number of bars of a missing span."""
    return span.start_time.ToDatetime(UTC), span.end_time.ToDatetime(UTC), span.bars


def minutes(start: datetime, end: datetime, step: timedelta = timedelta(minutes=1)) -> list[datetime]:
    """Return the times from start to before end, a step apart."""
    return [start + number * step for number in range(-(-(end - start) // step))]
