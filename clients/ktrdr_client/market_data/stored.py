"""Calls about what is stored."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Dataset, DatasetVerdict, Instrument, MissingSpan

from ktrdr_client.bars import Bars, BarsDecoder
from ktrdr_client.calls import call_unary, open_stream
from ktrdr_client.market_data.connection import IbHostConnection
from ktrdr_client.specs import Moment, dataset_key, end_timestamp, start_timestamp

STREAM_SECONDS: Final = 300.0
"""Deadline of what moves many bars."""
_CHECK_SECONDS: Final = 120.0
MOST_SPANS: Final = 10_000
"""Missing spans that one answer can have."""


class StoredCalls(IbHostConnection):
    """Lists, reads and checks datasets."""

    async def datasets(self, *, symbol: str = "", host: str = "") -> AsyncGenerator[Dataset, None]:
        """Yield the stored datasets by symbol, over all pages.

        Args:
            symbol: Only datasets of this symbol.
            host: IB host to ask; empty for the only one.
        """
        stub, endpoint = await self._host(host)
        request = ib_pb2.ListDatasetsRequest(page_size=200, symbol=symbol)
        while True:
            page = await call_unary(stub.ListDatasets, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)
            for dataset in page.datasets:
                yield dataset
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    async def damaged_folders(self, *, host: str = "") -> Sequence[str]:
        """Return the folders of datasets that cannot be read, relative to the home of the IB host.

        Args:
            host: IB host to ask; empty for the only one.
        """
        stub, endpoint = await self._host(host)
        request = ib_pb2.ListDatasetsRequest(page_size=1)
        page = await call_unary(stub.ListDatasets, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)
        return page.damaged

    async def bars(
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
        """Return stored bars, in time order.

        Args:
            symbol: Symbol of a US stock or currency pair ("EUR.USD"), or an instrument.
            bar_size: "1d", "1h", "5min", …
            source: "ib", "replay" or "imported", where several are stored.
            start: First day or instant, UTC; None from the beginning.
            end: Last day (counted in full) or end instant (exclusive), UTC; None to the end.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
            use_rth: Regular trading hours only.
            columns: Only these, in this order; time always comes first. Empty: all.
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There are no such bars; the message has the command that loads them.
            InvalidArgument: Bars of several sources are stored, and `source` does not say which; or there is no such
                column.
            MissingLibrary: pyarrow is not installed.
        """
        decoder = BarsDecoder()
        request = bars_request(
            symbol, bar_size, source=source, start=start, end=end, what_to_show=what_to_show, use_rth=use_rth,
            columns=columns,
        )  # fmt: skip
        stub, endpoint = await self._host(host)
        async with open_stream(stub.StreamBars, request, endpoint=endpoint, timeout_seconds=STREAM_SECONDS) as messages:
            async for message in messages:
                decoder.feed(message)
        return await asyncio.to_thread(decoder.finish)

    async def check(
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
        """Return how complete and how sound a dataset is; the gateway is not asked.

        Args:
            symbol: Symbol of a US stock or currency pair ("EUR.USD"), or an instrument.
            bar_size: "1d", "1h", "5min", …
            source: "ib", "replay" or "imported", where several are stored.
            start: First day or instant to check, UTC; None for the first stored bar.
            end: Last day (counted in full) or end instant (exclusive), UTC; None for the last stored bar.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
            use_rth: Regular trading hours only.
            most_spans: Most missing spans that are listed, 0 for 100, at most 10,000.
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There are no such bars; the message has the command that loads them.
            InvalidArgument: Bars of several sources are stored, and `source` does not say which.
            DataLoss: What is stored is damaged.
        """
        request = ib_pb2.CheckDatasetRequest(
            key=dataset_key(symbol, bar_size, source=source, what_to_show=what_to_show, use_rth=use_rth),
            start_time=None if start is None else start_timestamp(start),
            end_time=None if end is None else end_timestamp(end),
            most_spans=most_spans,
        )
        return await self.check_dataset(request, host=host)

    async def check_dataset(self, request: ib_pb2.CheckDatasetRequest, *, host: str = "") -> DatasetVerdict:
        """Return the verdict on a dataset that is named by a complete request, as one of `datasets` is; see `check`."""
        stub, endpoint = await self._host(host)
        answer = await call_unary(
            stub.CheckDataset, request, endpoint=endpoint, timeout_seconds=max(_CHECK_SECONDS, self.timeout_seconds)
        )
        return answer.verdict

    async def gaps(
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
        """Return where bars are missing, oldest first, at most 10,000 stretches; arguments and errors as of `check`."""
        verdict = await self.check(
            symbol,
            bar_size,
            source=source,
            start=start,
            end=end,
            what_to_show=what_to_show,
            use_rth=use_rth,
            most_spans=MOST_SPANS,
            host=host,
        )
        return verdict.missing


def bars_request(
    symbol: str | Instrument,
    bar_size: str,
    *,
    source: str | None,
    start: Moment | None,
    end: Moment | None,
    what_to_show: str,
    use_rth: bool,
    columns: Sequence[str] = (),
) -> ib_pb2.StreamBarsRequest:
    """Return the request for stored bars; arguments as of `StoredCalls.bars`.

    Raises:
        ValueError: A text cannot be understood.
    """
    return ib_pb2.StreamBarsRequest(
        key=dataset_key(symbol, bar_size, source=source, what_to_show=what_to_show, use_rth=use_rth),
        start_time=None if start is None else start_timestamp(start),
        end_time=None if end is None else end_timestamp(end),
        columns=columns,
    )
