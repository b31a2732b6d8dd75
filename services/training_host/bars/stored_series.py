"""One series out of the store of an IB host."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final, NamedTuple

import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from services.common.timestamps import to_timestamp
from services.training_host.bars.aggregation import latest_of_each_period
from services.training_host.bars.bar_size import BAR_SIZES
from services.training_host.bars.cache import BarCache
from services.training_host.bars.closing import over_by
from services.training_host.bars.series import COLUMNS, Bars
from services.training_host.bars.table import bars_from_table
from services.training_host.strategy.training_data import TrainingData

CALL_SECONDS: Final = 300.0
"""Longest time for one stream: millions of bars arrive in seconds."""


class StoredSeries(NamedTuple):
    """Bars of one symbol and timeframe.

    Attributes:
        bars: Those in the range that were over when the dataset was last changed; perhaps none.
        dataset: What they are a part of, as it is now.
        cached: They were read before, and the IB host has said that they have not changed since.
    """

    bars: Bars
    dataset: bars_pb2.Dataset
    cached: bool = False

    def outside(self) -> str:
        """Say what is stored instead of bars in the range."""
        first, last = (stamp.ToDatetime() for stamp in (self.dataset.first_bar_time, self.dataset.last_bar_time))
        stored = f"{self.dataset.rows} bars from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"Stored are {stored}, outside the strategy's range"


class SeriesRequest(NamedTuple):
    """What is asked for.

    Attributes:
        symbol: The instrument.
        timeframe: Length of the bars.
        source: Real or recorded bars; unspecified for whichever is stored.
        what_to_show: What the bars show; unspecified for trades.
        data: Says the range.
    """

    symbol: str
    timeframe: str
    source: bars_pb2.Source.ValueType
    what_to_show: bars_pb2.WhatToShow.ValueType
    data: TrainingData

    def message(self) -> ib_pb2.StreamBarsRequest:
        """Return it in the words of the contract."""
        return ib_pb2.StreamBarsRequest(
            key=bars_pb2.DatasetKey(
                source=self.source,
                instrument=bars_pb2.Instrument(symbol=self.symbol),
                what_to_show=self.what_to_show,
                bar_size=BAR_SIZES[self.timeframe],
            ),
            start_time=_midnight(self.data.start_date),
            end_time=_midnight(self.data.end_date + timedelta(days=1)),
            columns=COLUMNS,
        )


def read_series(
    stub: ib_pb2_grpc.IbHostServiceStub,
    request: SeriesRequest,
    on_rows: Callable[[int], None],
    cache: BarCache | None = None,
) -> StoredSeries | None:
    """Read a series.

    Args:
        stub: Of a synchronous channel.
        request: Which.
        on_rows: Called with each message's number of rows; may raise to leave the stream.
        cache: Of earlier answers. The IB host is asked in any case: it alone knows whether they are still right.

    Returns:
        The series; None if the host describes no dataset.

    Raises:
        grpc.RpcError: The call failed.
        pa.ArrowException, NotBars: The answer does not hold bars.
    """
    message = request.message()
    known = cache.find(message) if cache is not None else None
    message.known_fingerprint = known.fingerprint if known is not None else ""
    answer = _ask(stub, message, on_rows)
    cached = answer.unchanged and known is not None
    content = known.content() if known is not None and cached else None
    if cached and content is None:  # it is damaged: ask for the bars after all
        message.known_fingerprint = ""
        answer, cached = _ask(stub, message, on_rows), False
    if answer.dataset is None:
        return None
    if cache is not None and not cached:
        cache.keep(message, answer.dataset.fingerprint, answer.pieces)
    table = pa.ipc.open_stream(pa.BufferReader(content or b"".join(answer.pieces))).read_all()
    if cached:
        on_rows(table.num_rows)
    bars = latest_of_each_period(bars_from_table(table, symbol=request.symbol, timeframe=request.timeframe))
    if answer.dataset.HasField("update_time"):
        bars = over_by(bars, answer.dataset.update_time.ToNanoseconds())
    return StoredSeries(bars, answer.dataset, cached)


class _Answer(NamedTuple):
    """What a StreamBars call brought.

    Attributes:
        dataset: None if it described none.
        pieces: Of the Arrow IPC stream.
        unchanged: There are none, as the dataset has the fingerprint that was named.
    """

    dataset: bars_pb2.Dataset | None
    pieces: Sequence[bytes]
    unchanged: bool


def _ask(
    stub: ib_pb2_grpc.IbHostServiceStub, request: ib_pb2.StreamBarsRequest, on_rows: Callable[[int], None]
) -> _Answer:
    # The annotations know the asynchronous stub too; a synchronous channel makes an iterator of messages.
    stream: Iterator[ib_pb2.StreamBarsResponse] = iter(stub.StreamBars(request, timeout=CALL_SECONDS))
    dataset, pieces, unchanged = None, [], False
    for message in stream:
        if message.HasField("dataset"):
            dataset = message.dataset
        unchanged = unchanged or message.unchanged
        pieces.append(message.arrow_ipc)
        on_rows(message.rows)
    return _Answer(dataset, pieces, unchanged)


def _midnight(day: date) -> Timestamp:
    return to_timestamp(datetime.combine(day, time_of_day(), UTC))
