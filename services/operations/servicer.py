"""OperationsService on the wire: each method translates one call."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.timestamps import to_timedelta
from services.operations.cancellation import Cancellation
from services.operations.creation import Creation
from services.operations.history.handler import requested_history
from services.operations.history.histories import MetricHistories
from services.operations.hosts import Hosts
from services.operations.inspection import Inspection
from services.operations.life_cycle import LifeCycle
from services.operations.life_cycle_methods import LifeCycleMethods
from services.operations.listing import Listing
from services.operations.log_relay import LogRelay
from services.operations.registration import Registration
from services.operations.trends.diagnosis import Diagnosis
from services.operations.watching import Watching, requested_watch

Context = grpc.aio.ServicerContext[Any, Any]


class OperationsServicer(LifeCycleMethods):
    """Serves the registry.

    Args:
        creation: Creates operations.
        inspection: Tells one.
        listing: Lists them.
        watching: Streams them.
        histories: Reads their metrics.
        cancellation: Asks them to stop.
        diagnosis: Looks for trends in their metrics.
        hosts: The hosts.
        registration: Hosts that announce themselves.
        life_cycle: What happens to operations that have ended.
        logs: Passes their logs on.
    """

    def __init__(
        self,
        *,
        creation: Creation,
        inspection: Inspection,
        listing: Listing,
        watching: Watching,
        histories: MetricHistories,
        cancellation: Cancellation,
        diagnosis: Diagnosis,
        hosts: Hosts,
        registration: Registration,
        life_cycle: LifeCycle,
        logs: LogRelay,
    ) -> None:
        self.life_cycle = life_cycle
        self._creation = creation
        self._inspection = inspection
        self._listing = listing
        self._watching = watching
        self._histories = histories
        self._cancellation = cancellation
        self._diagnosis = diagnosis
        self._hosts = hosts
        self._registration = registration
        self._logs = logs

    async def CreateOperation(  # noqa: N802 - the contract's name
        self, request: pb.CreateOperationRequest, _context: Context
    ) -> pb.Operation:
        """Store an operation and send it to a host."""
        return await self._creation.create(request)

    async def GetOperation(  # noqa: N802 - the contract's name
        self, request: pb.GetOperationRequest, context: Context
    ) -> pb.Operation:
        """Tell one operation."""
        return await self._inspection.get(
            request.operation_id,
            max_staleness=to_timedelta(request.max_staleness) if request.HasField("max_staleness") else None,
            time_left_seconds=context.time_remaining(),
        )

    async def ListOperations(  # noqa: N802 - the contract's name
        self, request: pb.ListOperationsRequest, _context: Context
    ) -> pb.ListOperationsResponse:
        """List operations, newest first unless asked otherwise."""
        return await self._listing.page(
            page_size=request.page_size,
            page_token=request.page_token,
            filter_text=request.filter,
            order_by=request.order_by,
        )

    async def WatchOperations(  # noqa: N802 - the contract's name
        self, request: pb.WatchOperationsRequest, context: Context
    ) -> AsyncIterator[pb.WatchOperationsResponse]:
        """Stream operations as they change. `add_watch_handler` lets a server send the same without decoding it."""
        async with aclosing(self._watching.watch(requested_watch(request), client=context.peer())) as responses:
            async for response in responses:
                yield pb.WatchOperationsResponse.FromString(response)

    async def QueryMetrics(  # noqa: N802 - the contract's name
        self, request: pb.QueryMetricsRequest, _context: Context
    ) -> pb.QueryMetricsResponse:
        """Read the history of metrics. `add_history_handler` lets a server send the same without decoding it."""
        return pb.QueryMetricsResponse.FromString(await self._histories.query(requested_history(request)))

    async def CancelOperation(  # noqa: N802 - the contract's name
        self, request: pb.CancelOperationRequest, _context: Context
    ) -> pb.CancelOperationResponse:
        """Ask an operation to stop."""
        operation = await self._cancellation.cancel(request.operation_id, reason=request.reason, urgent=request.now)
        return pb.CancelOperationResponse(operation=operation)

    async def DiagnoseOperation(  # noqa: N802 - the contract's name
        self, request: pb.DiagnoseOperationRequest, _context: Context
    ) -> pb.DiagnoseOperationResponse:
        """Look for trends in metrics."""
        return await self._diagnosis.diagnose(request)

    async def ReadLog(  # noqa: N802 - the contract's name
        self, request: pb.ReadLogRequest, context: Context
    ) -> AsyncIterator[pb.ReadLogResponse]:
        """Stream an operation's log."""
        async with aclosing(self._logs.read(request, client=context.peer())) as parts:
            async for part in parts:
                yield part

    async def ListHosts(  # noqa: N802 - the contract's name
        self, request: pb.ListHostsRequest, _context: Context
    ) -> pb.ListHostsResponse:
        """List the hosts."""
        return self._hosts.page(page_size=request.page_size, page_token=request.page_token)

    async def DrainHost(  # noqa: N802 - the contract's name
        self, request: pb.DrainHostRequest, _context: Context
    ) -> pb.DrainHostResponse:
        """Stop placing operations on a host, or allow it again."""
        return pb.DrainHostResponse(host=await self._hosts.drain(request.host, undo=request.undo))

    async def RegisterHost(  # noqa: N802 - the contract's name
        self, request: pb.RegisterHostRequest, _context: Context
    ) -> pb.RegisterHostResponse:
        """Follow a host that announces itself."""
        return await self._registration.register(request)

    async def UnregisterHost(  # noqa: N802 - the contract's name
        self, request: pb.UnregisterHostRequest, _context: Context
    ) -> pb.UnregisterHostResponse:
        """Follow a registered host no longer."""
        await self._registration.unregister(request.name)
        return pb.UnregisterHostResponse()
