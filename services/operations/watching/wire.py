"""WatchOperations on the wire: the responses are bytes already, which the generated code would encode again."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc
from ktrdr.operations.v1 import operations_pb2

from services.operations.watching.query import requested_watch
from services.operations.watching.watching import Watching

_SERVICE: Final = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"]
_METHOD: Final = _SERVICE.methods_by_name["WatchOperations"].name


def add_watch_handler(watching: Watching, server: grpc.aio.Server) -> None:
    """Let a server answer WatchOperations with encoded responses as they are.

    Call it before the servicer is added: of several handlers of one method a server takes the first.
    """

    async def watch(
        request: operations_pb2.WatchOperationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        async with aclosing(watching.watch(requested_watch(request), client=context.peer())) as responses:
            async for response in responses:
                yield response

    handler: grpc.RpcMethodHandler[operations_pb2.WatchOperationsRequest, bytes] = grpc.unary_stream_rpc_method_handler(
        watch,
        request_deserializer=operations_pb2.WatchOperationsRequest.FromString,
        response_serializer=None,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE.full_name, {_METHOD: handler}),))
