"""Methods of OperationsService for operations that have ended: each translates one call."""

from typing import Any

import grpc
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.operations.life_cycle import LifeCycle

Context = grpc.aio.ServicerContext[Any, Any]


class LifeCycleMethods(operations_pb2_grpc.OperationsServiceServicer):
    """A part of the servicer of the registry.

    Attributes:
        life_cycle: What it asks; set by the servicer.
    """

    life_cycle: LifeCycle

    async def RetryOperation(  # noqa: N802 - the contract's name
        self, request: pb.RetryOperationRequest, _context: Context
    ) -> pb.RetryOperationResponse:
        """Try an operation again."""
        return pb.RetryOperationResponse(operation=await self.life_cycle.retry.retry(request))

    async def UpdateOperation(  # noqa: N802 - the contract's name
        self, request: pb.UpdateOperationRequest, _context: Context
    ) -> pb.Operation:
        """Change labels, notes or the name of an operation."""
        return await self.life_cycle.update.update(request)

    async def DeleteOperation(  # noqa: N802 - the contract's name
        self, request: pb.DeleteOperationRequest, _context: Context
    ) -> pb.DeleteOperationResponse:
        """Remove an operation that has ended."""
        await self.life_cycle.deletion.delete(request.operation_id, keep_sessions=request.keep_sessions)
        return pb.DeleteOperationResponse()
