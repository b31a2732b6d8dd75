"""google.longrunning.Operations on the wire: each method translates one call."""

from typing import Any, Final

import grpc
from google.longrunning import operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from services.common.timestamps import to_timedelta
from services.operations.longrunning.facade import LongRunning
from services.operations.longrunning.waiting import Waiting

SERVICE_NAME: Final = "google.longrunning.Operations"
"""Its full name, for reflection and health."""
Context = grpc.aio.ServicerContext[Any, Any]


class LongRunningServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # the stubs are not typed
    """Serves the registry to the stock clients of long-running operations.

    Args:
        long_running: Tells, lists, cancels and deletes operations.
        waiting: Waits for them.
    """

    def __init__(self, long_running: LongRunning, waiting: Waiting) -> None:
        self._long_running = long_running
        self._waiting = waiting

    async def GetOperation(self, request: Any, _context: Context) -> Any:  # noqa: N802 - the contract's name
        """Tell one operation."""
        return await self._long_running.get(request.name)

    async def ListOperations(self, request: Any, _context: Context) -> Any:  # noqa: N802 - the contract's name
        """List operations, newest first."""
        return await self._long_running.page(
            request.name, filter_text=request.filter, page_size=request.page_size, page_token=request.page_token
        )

    async def CancelOperation(self, request: Any, _context: Context) -> Empty:  # noqa: N802 - the contract's name
        """Ask an operation to stop."""
        await self._long_running.cancel(request.name)
        return Empty()

    async def DeleteOperation(self, request: Any, _context: Context) -> Empty:  # noqa: N802 - the contract's name
        """Remove an operation that has ended."""
        await self._long_running.delete(request.name)
        return Empty()

    async def WaitOperation(self, request: Any, context: Context) -> Any:  # noqa: N802 - the contract's name
        """Wait until an operation has ended, or the time is over."""
        return await self._waiting.wait(
            request.name,
            timeout_seconds=to_timedelta(request.timeout).total_seconds() if request.HasField("timeout") else None,
            time_left_seconds=context.time_remaining(),
            client=context.peer(),
        )


def serve_long_running(server: grpc.aio.Server, long_running: LongRunning, waiting: Waiting) -> str:
    """Register the servicer, and return the full name of the service."""
    operations_pb2_grpc.add_OperationsServicer_to_server(LongRunningServicer(long_running, waiting), server)
    return SERVICE_NAME
