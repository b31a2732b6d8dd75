"""Bars from the store of an IB host."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final

import grpc
import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from services.common.channel import client_options
from services.common.timestamps import to_timestamp
from services.training_host.bars.bar_size import BAR_SIZES
from services.training_host.bars.dataset_name import dataset_name
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.refusal import status_code, translated
from services.training_host.bars.table import NotBars, bars_from_table
from services.training_host.failures import bar_source_unavailable, bars_missing
from services.training_host.progress import Progress
from services.training_host.strategy.strategy import Strategy

CALL_SECONDS: Final = 300.0
"""Longest time for one stream: millions of bars arrive in seconds."""
TRIES: Final = 5
PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True)
class IbHostBars:
    """Reads bars from an IB host.

    Attributes:
        address: The IB host, HOST:PORT.
        source: Real or recorded bars; unspecified for whichever is stored.
        what_to_show: What the bars show; unspecified for trades.
        progress: Told about the rows that have arrived.
        pause_seconds: Between two tries to reach the host.
    """

    address: str
    source: bars_pb2.Source.ValueType
    what_to_show: bars_pb2.WhatToShow.ValueType
    progress: Progress
    pause_seconds: float = PAUSE_SECONDS

    def load(self, strategy: Strategy) -> LoadedBars:
        """Read a strategy's bars.

        Raises:
            ServiceError: BARS_MISSING, if the host has none in the range. BAR_SOURCE_UNAVAILABLE, if it cannot be
                reached or answers with something else. Its refusals of the request itself are passed on.
            ktrdr_bridge.Cancelled: A stop was asked for.
        """
        for attempt in range(1, TRIES + 1):
            self.progress.raise_if_cancelled()
            try:
                return self._read(strategy)
            except grpc.RpcError as error:
                if attempt == TRIES or status_code(error) is not grpc.StatusCode.UNAVAILABLE:
                    raise translated(error, self.address, strategy) from None
            # An IB host that restarts is back within seconds.
            self.progress.advance(0, step=f"waiting for the IB host at {self.address}, try {attempt + 1} of {TRIES}")
            time.sleep(self.pause_seconds)
        raise AssertionError

    def _read(self, strategy: Strategy) -> LoadedBars:
        stub_channel = grpc.insecure_channel(self.address, options=client_options())
        with contextlib.closing(stub_channel):
            stub = ib_pb2_grpc.IbHostServiceStub(stub_channel)
            # The annotations know the asynchronous stub too; a synchronous channel makes an iterator of messages.
            stream: Iterator[ib_pb2.StreamBarsResponse] = iter(
                stub.StreamBars(self._request(strategy), timeout=CALL_SECONDS)
            )
            dataset, pieces = self._receive(stream)
        if dataset is None:
            raise bars_missing(strategy.symbol, strategy.training_data)
        try:
            table = pa.ipc.open_stream(pa.BufferReader(b"".join(pieces))).read_all()
            bars = bars_from_table(table, symbol=strategy.symbol, timeframe=strategy.timeframe)
        except (pa.ArrowException, NotBars):
            raise bar_source_unavailable(self.address, "It answers with something other than bars") from None
        if not len(bars):
            raise bars_missing(strategy.symbol, strategy.training_data, _coverage(dataset))
        use = DatasetUse(fingerprint=dataset.fingerprint, name=dataset_name(dataset.key), bars=len(bars))
        return LoadedBars(bars, f"IB host {self.address}, dataset version {dataset.version}", dataset.key.source, use)

    def _receive(self, stream: Iterator[ib_pb2.StreamBarsResponse]) -> tuple[bars_pb2.Dataset | None, list[bytes]]:
        dataset, rows, pieces = None, 0, []
        for message in stream:
            self.progress.raise_if_cancelled()
            if message.HasField("dataset"):
                dataset = message.dataset
            rows += message.rows
            pieces.append(message.arrow_ipc)
            self.progress.advance(rows, step=f"{rows:,} bars received")
        return dataset, pieces

    def _request(self, strategy: Strategy) -> ib_pb2.StreamBarsRequest:
        data = strategy.training_data
        return ib_pb2.StreamBarsRequest(
            key=bars_pb2.DatasetKey(
                source=self.source,
                instrument=bars_pb2.Instrument(symbol=strategy.symbol),
                what_to_show=self.what_to_show,
                bar_size=BAR_SIZES[strategy.timeframe],
            ),
            start_time=_midnight(data.start_date),
            end_time=_midnight(data.end_date + timedelta(days=1)),
        )


def _midnight(day: date) -> Timestamp:
    return to_timestamp(datetime.combine(day, time_of_day(), UTC))


def _coverage(dataset: bars_pb2.Dataset) -> str:
    first, last = (stamp.ToDatetime() for stamp in (dataset.first_bar_time, dataset.last_bar_time))
    return f"Stored are {dataset.rows} bars from {first:%Y-%m-%d} to {last:%Y-%m-%d}, outside the strategy's range"
