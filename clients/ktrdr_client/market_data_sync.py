"""Instruments, datasets and bars for programs without asyncio."""

from collections.abc import Callable, Iterator

from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument

from ktrdr_client.bars import Bars
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.market_data import AsyncMarketData
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

    def bars(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "trades",
        use_rth: bool = True,
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
                host=host,
            )
        )

    def gateway(self, *, host: str = "") -> ib_pb2.GetGatewayResponse:
        """Tell how an IB host stands with its gateway; see `AsyncMarketData.gateway`."""
        return self._loop().run(self._data.gateway(host=host))
