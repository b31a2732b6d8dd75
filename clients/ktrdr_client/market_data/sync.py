"""Instruments, datasets and bars for programs without asyncio."""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any, BinaryIO

from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Dataset, DatasetVerdict, Instrument, MissingSpan

from ktrdr_client.bars import Bars
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.market_data.calls import AsyncMarketData
from ktrdr_client.market_data.export import ExportedBars
from ktrdr_client.specs import Moment


class MarketData:
    """Instruments, datasets and bars of the IB host, for programs without asyncio.

    Args:
        data: What does the work.
        loop: Returns the loop that it runs on.
    """

    def __init__(self, data: AsyncMarketData, loop: Callable[[], LoopThread]) -> None:
        self._data = data
        self._loop = loop

    def find(self, pattern: str, *, security_type: str | None = None, host: str = "") -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway; see `AsyncMarketData.find`."""
        return self._loop().run(self._data.find(pattern, security_type=security_type, host=host))

    def datasets(self, *, symbol: str = "", host: str = "") -> Iterator[Dataset]:
        """Yield the stored datasets; see `AsyncMarketData.datasets`."""
        return self._loop().iterate(self._data.datasets(symbol=symbol, host=host))

    def damaged_folders(self, *, host: str = "") -> Sequence[str]:
        """Return the folders of datasets that cannot be read; see `AsyncMarketData.damaged_folders`."""
        return self._loop().run(self._data.damaged_folders(host=host))

    def bars(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        columns: Sequence[str] = (),
        host: str = "",
    ) -> Bars:
        """Return stored bars; see `AsyncMarketData.bars`."""
        return self._loop().run(
            self._data.bars(
                symbol,
                bar_size,
                source=source,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                columns=columns,
                host=host,
            )
        )

    def check(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        most_spans: int = 0,
        host: str = "",
    ) -> DatasetVerdict:
        """Return how complete and how sound a dataset is; see `AsyncMarketData.check`."""
        return self._loop().run(
            self._data.check(
                symbol,
                bar_size,
                source=source,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                most_spans=most_spans,
                host=host,
            )
        )

    def gaps(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        host: str = "",
    ) -> Sequence[MissingSpan]:
        """Return where bars are missing; see `AsyncMarketData.gaps`."""
        return self._loop().run(
            self._data.gaps(
                symbol,
                bar_size,
                source=source,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                host=host,
            )
        )

    def export(
        self,
        symbol: str | Instrument,
        bar_size: str,
        to: str | PathLike[str] | BinaryIO,
        *,
        file_format: str | None = None,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        overwrite: bool = False,
        on_rows: Callable[[int], None] | None = None,
        host: str = "",
    ) -> ExportedBars:
        """Write stored bars into a CSV or Parquet file; see `AsyncMarketData.export`."""
        return self._loop().run(
            self._data.export(
                symbol,
                bar_size,
                to,
                file_format=file_format,
                source=source,
                start=start,
                end=end,
                what_to_show=what_to_show,
                use_rth=use_rth,
                overwrite=overwrite,
                on_rows=on_rows,
                host=host,
            )
        )

    def import_bars(
        self,
        bars: Any,
        symbol: str | Instrument,
        bar_size: str,
        *,
        what_to_show: str = "",
        use_rth: bool = True,
        replace: bool = False,
        time_zone: str = "",
        time_format: str = "",
        on_rows: Callable[[int, int], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        host: str = "",
    ) -> ib_pb2.ImportBarsResponse:
        """Store bars from elsewhere; see `AsyncMarketData.import_bars`."""
        return self._loop().run(
            self._data.import_bars(
                bars,
                symbol,
                bar_size,
                what_to_show=what_to_show,
                use_rth=use_rth,
                replace=replace,
                time_zone=time_zone,
                time_format=time_format,
                on_rows=on_rows,
                on_note=on_note,
                host=host,
            )
        )

    def gateway(self, *, host: str = "") -> ib_pb2.GetGatewayResponse:
        """Tell how an IB host stands with its gateway; see `AsyncMarketData.gateway`."""
        return self._loop().run(self._data.gateway(host=host))

    def diagnose(self, instrument: str | Instrument | None = None, *, host: str = "") -> ib_pb2.DiagnoseGatewayResponse:
        """Try everything that a load needs of the gateway; see `AsyncMarketData.diagnose`."""
        return self._loop().run(self._data.diagnose(instrument, host=host))
