"""IbHostService on the wire: translates between messages and the host."""
# ruff: noqa: N802, ARG002 -- names and signatures are those of the contract

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc

from services.ib_host.dataset_check import DatasetCheck
from services.ib_host.datasets import Datasets
from services.ib_host.diagnosis.diagnosis import Diagnosis
from services.ib_host.gateway_view import GatewayView
from services.ib_host.imports import BarImports
from services.ib_host.instrument_search import InstrumentSearch
from services.ib_host.load_start import LoadStart

Context = grpc.aio.ServicerContext[Any, Any]


class IbHostServicer(ib_pb2_grpc.IbHostServiceServicer):
    """Serves an IB host.

    Args:
        loads: accepts loads.
        gateway: what there is to see of it.
        diagnosis: tries what loads need of it.
        search: finds instruments.
        datasets: what is stored.
        checks: how complete it is.
        imports: stores what others bring.
    """

    def __init__(
        self,
        loads: LoadStart,
        gateway: GatewayView,
        diagnosis: Diagnosis,
        search: InstrumentSearch,
        datasets: Datasets,
        checks: DatasetCheck,
        imports: BarImports,
    ) -> None:
        self._loads = loads
        self._gateway = gateway
        self._diagnosis = diagnosis
        self._search = search
        self._datasets = datasets
        self._checks = checks
        self._imports = imports

    async def StartDataLoad(
        self, request: ib_pb2.StartDataLoadRequest, context: Context
    ) -> ib_pb2.StartDataLoadResponse:
        """Accept a load."""
        return ib_pb2.StartDataLoadResponse(session=await self._loads.start(request))

    async def GetGateway(self, request: ib_pb2.GetGatewayRequest, context: Context) -> ib_pb2.GetGatewayResponse:
        """Tell how the host stands with its gateway."""
        return self._gateway.response()

    async def DiagnoseGateway(
        self, request: ib_pb2.DiagnoseGatewayRequest, context: Context
    ) -> ib_pb2.DiagnoseGatewayResponse:
        """Try what loads need of the gateway."""
        return await self._diagnosis.make(request)

    async def FindInstruments(
        self, request: ib_pb2.FindInstrumentsRequest, context: Context
    ) -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway."""
        return await self._search.find(request)

    async def ListDatasets(self, request: ib_pb2.ListDatasetsRequest, context: Context) -> ib_pb2.ListDatasetsResponse:
        """List what is stored."""
        return await self._datasets.list(request)

    async def CheckDataset(self, request: ib_pb2.CheckDatasetRequest, context: Context) -> ib_pb2.CheckDatasetResponse:
        """Tell how complete and how sound a dataset is."""
        return await self._checks.check(request)

    async def StreamBars(
        self, request: ib_pb2.StreamBarsRequest, context: Context
    ) -> AsyncIterator[ib_pb2.StreamBarsResponse]:
        """Stream stored bars. `add_bars_handler` lets a server send the same without decoding it."""
        async with aclosing(self._datasets.stream(request)) as responses:
            async for response in responses:
                yield ib_pb2.StreamBarsResponse.FromString(response)

    async def ImportBars(
        self, request_iterator: AsyncIterator[ib_pb2.ImportBarsRequest], context: Context
    ) -> ib_pb2.ImportBarsResponse:
        """Store bars from elsewhere."""
        return await self._imports.run(request_iterator)
