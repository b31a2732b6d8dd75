"""IbHostService on the wire: translates between messages and the host."""
# ruff: noqa: N802, ARG002 -- names and signatures are those of the contract

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc

from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.datasets import Datasets
from services.ib_host.gateway_view import gateway_response
from services.ib_host.instrument_search import InstrumentSearch
from services.ib_host.load_start import LoadStart

Context = grpc.aio.ServicerContext[Any, Any]


class IbHostServicer(ib_pb2_grpc.IbHostServiceServicer):
    """Serves an IB host.

    Args:
        loads: accepts loads.
        connection: to the gateway.
        search: finds instruments.
        datasets: what is stored.
    """

    def __init__(
        self, loads: LoadStart, connection: GatewayConnection, search: InstrumentSearch, datasets: Datasets
    ) -> None:
        self._loads = loads
        self._connection = connection
        self._search = search
        self._datasets = datasets

    async def StartDataLoad(
        self, request: ib_pb2.StartDataLoadRequest, context: Context
    ) -> ib_pb2.StartDataLoadResponse:
        """Accept a load."""
        return ib_pb2.StartDataLoadResponse(session=await self._loads.start(request))

    async def GetGateway(self, request: ib_pb2.GetGatewayRequest, context: Context) -> ib_pb2.GetGatewayResponse:
        """Tell how the host stands with its gateway."""
        return gateway_response(self._connection.picture)

    async def FindInstruments(
        self, request: ib_pb2.FindInstrumentsRequest, context: Context
    ) -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway."""
        return await self._search.find(request)

    async def ListDatasets(self, request: ib_pb2.ListDatasetsRequest, context: Context) -> ib_pb2.ListDatasetsResponse:
        """List what is stored."""
        return await self._datasets.list(request)

    async def StreamBars(
        self, request: ib_pb2.StreamBarsRequest, context: Context
    ) -> AsyncIterator[ib_pb2.StreamBarsResponse]:
        """Stream stored bars."""
        async with aclosing(self._datasets.stream(request)) as responses:
            async for response in responses:
                yield response
