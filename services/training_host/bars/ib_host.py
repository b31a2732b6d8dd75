"""Bars from the store of an IB host."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import grpc
import pyarrow as pa
import structlog
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1 import bars_pb2, ib_pb2_grpc

from services.common.channel import client_options
from services.training_host.bars.cache import BarCache
from services.training_host.bars.dataset_name import dataset_name
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.missing import MissingBars
from services.training_host.bars.refusal import says_missing, status_code, translated
from services.training_host.bars.stored_series import SeriesRequest, StoredSeries, read_series
from services.training_host.bars.table import NotBars
from services.training_host.failures import bar_source_unavailable, bars_missing, mixed_sources
from services.training_host.progress import Progress
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)
TRIES: Final = 5
PAUSE_SECONDS: Final = 1.0


@dataclass
class _Reading:
    """What has been read so far: a host that goes away in between is asked for the rest only.

    Attributes:
        total: Series that are wanted.
        found: Those that are there.
        missing: Those that are not.
    """

    total: int
    found: dict[tuple[str, str], StoredSeries] = field(default_factory=dict)
    missing: dict[tuple[str, str], MissingBars] = field(default_factory=dict)

    def rows(self) -> int:
        return sum(len(series.bars) for series in self.found.values())

    def step(self, asked: SeriesRequest, rows: int) -> str:
        """Say how far the reading is, and of which series if there are several."""
        if self.total == 1:
            return f"{rows:,} bars received"
        number = len(self.found) + len(self.missing) + 1
        return f"{rows:,} bars received: {asked.symbol} {asked.timeframe}, series {number} of {self.total}"


@dataclass(frozen=True)
class IbHostBars:
    """Reads bars from an IB host.

    Attributes:
        address: The IB host, HOST:PORT.
        source: Real or recorded bars; unspecified for whichever is stored.
        what_to_show: What the bars show; unspecified for trades.
        progress: Told about the rows that have arrived.
        cache: Of bars that were read before; None for none.
        pause_seconds: Between two tries to reach the host.
    """

    address: str
    source: bars_pb2.Source.ValueType
    what_to_show: bars_pb2.WhatToShow.ValueType
    progress: Progress
    cache: BarCache | None = None
    pause_seconds: float = PAUSE_SECONDS

    def load(self, strategy: Strategy) -> LoadedBars:
        """Read the bars of each symbol and timeframe of a strategy, each from its own dataset.

        Raises:
            ServiceError: BARS_MISSING, if the host lacks some in the range. BAR_SOURCE_UNAVAILABLE, if it cannot be
                reached or answers with something else. DATASET_AMBIGUOUS, if some are recorded and some real. Its
                refusals of the request itself are passed on.
            ktrdr_bridge.Cancelled: A stop was asked for.
        """
        wanted = [
            SeriesRequest(symbol, timeframe, self.source, self.what_to_show, strategy.training_data)
            for symbol in strategy.symbols
            for timeframe in strategy.timeframes
        ]
        reading = _Reading(len(wanted))
        for attempt in range(1, TRIES + 1):
            self.progress.raise_if_cancelled()
            if self._read(wanted, reading, last=attempt == TRIES):
                break
            # An IB host that restarts is back within seconds.
            waiting = f"waiting for the IB host at {self.address}, try {attempt + 1} of {TRIES}"
            self.progress.advance(reading.rows(), step=waiting)
            time.sleep(self.pause_seconds)
        if reading.missing:
            raise bars_missing(list(reading.missing.values()), strategy.training_data, self._prices())
        return self._loaded(list(reading.found.values()))

    def _read(self, wanted: Sequence[SeriesRequest], reading: _Reading, *, last: bool) -> bool:
        """Read what is not there yet.

        Returns:
            Whether all is; False if the host has gone away and this is not the last try.
        """
        with contextlib.closing(grpc.insecure_channel(self.address, options=client_options())) as channel:
            stub = ib_pb2_grpc.IbHostServiceStub(channel)
            for asked in wanted:
                key = (asked.symbol, asked.timeframe)
                if key in reading.found or key in reading.missing:
                    continue
                try:
                    series = self._series(stub, asked, reading)
                except grpc.RpcError as error:
                    if not says_missing(error):
                        if status_code(error) is grpc.StatusCode.UNAVAILABLE and not last:
                            return False
                        raise translated(error, self.address, f"{asked.symbol} {asked.timeframe}") from None
                    series = None
                if series is not None and len(series.bars):
                    reading.found[key] = series
                else:
                    reading.missing[key] = MissingBars(*key, series.outside() if series is not None else "")
        return True

    def _series(
        self, stub: ib_pb2_grpc.IbHostServiceStub, asked: SeriesRequest, reading: _Reading
    ) -> StoredSeries | None:
        before, received = reading.rows(), 0

        def on_rows(rows: int) -> None:
            nonlocal received
            self.progress.raise_if_cancelled()
            received += rows
            self.progress.advance(before + received, step=reading.step(asked, before + received))

        try:
            series = read_series(stub, asked, on_rows, self.cache)
        except (pa.ArrowException, NotBars):
            detail = f"It answers with something other than bars of {asked.symbol} {asked.timeframe}"
            raise bar_source_unavailable(self.address, detail) from None
        if series is not None:
            _LOG.info(
                "series_read",
                symbol=asked.symbol,
                timeframe=asked.timeframe,
                bars=len(series.bars),
                cached=series.cached,
            )
        return series

    def _loaded(self, found: Sequence[StoredSeries]) -> LoadedBars:
        by_source = {series.dataset.key.source: series.bars for series in found}
        recorded = by_source.pop(bars_pb2.SOURCE_REPLAY, None)
        if recorded is not None and by_source:
            real = next(iter(by_source.values()))
            raise mixed_sources(f"{recorded.symbol} {recorded.timeframe}", f"{real.symbol} {real.timeframe}")
        what = f"dataset version {found[0].dataset.version}" if len(found) == 1 else f"{len(found)} datasets"
        return LoadedBars(
            series={(each.bars.symbol, each.bars.timeframe): each.bars for each in found},
            origin=f"IB host {self.address}, {what}",
            source=found[0].dataset.key.source,
            datasets=[
                DatasetUse(fingerprint=dataset.fingerprint, name=dataset_name(dataset.key), bars=len(bars))
                for bars, dataset, _ in found
            ],
        )

    def _prices(self) -> str:
        """Return the word for `--what` of the command that loads bars; empty for trades, its default."""
        if self.what_to_show in (bars_pb2.WHAT_TO_SHOW_UNSPECIFIED, bars_pb2.WHAT_TO_SHOW_TRADES):
            return ""
        return bars_pb2.WhatToShow.Name(self.what_to_show).removeprefix("WHAT_TO_SHOW_").lower()
