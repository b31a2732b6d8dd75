"""The IB host's side of the client: instruments, datasets, bars, and the gateway."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ktrdr.host.v1.session_pb2 import HOST_KIND_IB
from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Dataset, DatasetKey, Instrument
from ktrdr.operations.v1.operations_pb2 import HostRecord

from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.bars import Bars, BarsDecoder
from ktrdr_client.calls import Endpoint, call_unary, open_stream
from ktrdr_client.errors import FailedPrecondition, NotFound
from ktrdr_client.host_channels import HostChannels
from ktrdr_client.specs import Moment, end_timestamp, start_timestamp
from ktrdr_client.states import parse_security_type, parse_source, parse_what_to_show
from ktrdr_client.stubs import ib_host_stub

if TYPE_CHECKING:
    from ktrdr.ib.v1.ib_pb2_grpc import IbHostServiceAsyncStub


class AsyncMarketData:
    """What an IB host has, reached at the address that the operations service knows it by.

    Args:
        hosts: Returns the hosts that the operations service follows.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, hosts: Callable[[], Awaitable[Sequence[HostRecord]]], *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._hosts = hosts
        self._channels = HostChannels()

    async def close(self) -> None:
        """Close the channels."""
        await self._channels.close()

    async def find(
        self, pattern: str, *, security_type: str | None = None, host: str = ""
    ) -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway by the beginning of their symbol or name; the answer tells the source too.

        Args:
            pattern: Beginning of a symbol, or of a word of the name.
            security_type: Only this kind: "stock", "forex", "future" or "index".
            host: IB host to ask; empty for the only one.

        Raises:
            Unavailable: The gateway is not connected.
            FailedPrecondition: There is no IB host.
        """
        kind = parse_security_type(security_type or "")
        stub, endpoint = await self._host(host)
        request = ib_pb2.FindInstrumentsRequest(pattern=pattern, security_type=kind)
        return await call_unary(stub.FindInstruments, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)

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

    async def bars(
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
        """Return stored bars, in time order.

        Args:
            symbol: Symbol of a US stock, or an instrument.
            bar_size: "1d", "1h", "5min", …
            source: "ib" or "replay", where both are stored.
            start: First day or instant, UTC; None from the beginning.
            end: Last day (counted in full) or end instant (exclusive), UTC; None to the end.
            what_to_show: "trades", "midpoint", "bid" or "ask".
            use_rth: Regular trading hours only.
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There are no such bars; the message has the command that loads them.
            InvalidArgument: Bars of both sources are stored, and `source` does not say which.
            MissingLibrary: pyarrow is not installed.
        """
        decoder = BarsDecoder()
        key = DatasetKey(
            source=parse_source(source or ""),
            instrument=Instrument(symbol=symbol) if isinstance(symbol, str) else symbol,
            what_to_show=parse_what_to_show(what_to_show),
            use_rth=use_rth,
            bar_size=parse_bar_size(bar_size),
        )
        request = ib_pb2.StreamBarsRequest(
            key=key,
            start_time=None if start is None else start_timestamp(start),
            end_time=None if end is None else end_timestamp(end),
        )
        stub, endpoint = await self._host(host)
        async with open_stream(stub.StreamBars, request, endpoint=endpoint, timeout_seconds=300.0) as messages:
            async for message in messages:
                decoder.feed(message)
        return await asyncio.to_thread(decoder.finish)

    async def gateway(self, *, host: str = "") -> ib_pb2.GetGatewayResponse:
        """Tell how an IB host stands with its gateway.

        Raises:
            NotFound: There is no IB host of this name.
            FailedPrecondition: There is no IB host at all.
        """
        stub, endpoint = await self._host(host)
        request = ib_pb2.GetGatewayRequest()
        return await call_unary(stub.GetGateway, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)

    async def _host(self, name: str) -> "tuple[IbHostServiceAsyncStub, Endpoint]":
        record = _choose(await self._hosts(), name)
        return ib_host_stub(self._channels.at(record.address)), Endpoint(f"IB host {record.name!r}", record.address)


def _choose(records: Sequence[HostRecord], name: str) -> HostRecord:
    """Return the IB host of this name, or the first one that answers."""
    if name:
        named = [record for record in records if record.name == name]
        if not named:
            message = f"there is no host {name!r}; see: ktrdr hosts list"
            raise NotFound(message, reason="HOST_NOT_FOUND", metadata={"host": name})
        return named[0]
    candidates = [record for record in records if record.kind == HOST_KIND_IB]
    if not candidates:
        # A host that has not answered since the service started has no kind yet; it is the best guess there is.
        candidates = [record for record in records if not record.kind and "ib" in record.name.lower()]
    if not candidates:
        message = "the operations service follows no IB host; see: ktrdr hosts list"
        raise FailedPrecondition(message, reason="NO_HOST_OF_KIND")
    return min(candidates, key=lambda record: record.state != HostRecord.STATE_UP)
