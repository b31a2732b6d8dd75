"""StreamBars on the wire: the messages go out as the bytes that they were put together from."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc
from ktrdr.ib.v1 import ib_pb2

from services.ib_host.datasets import Datasets

_SERVICE: Final = ib_pb2.DESCRIPTOR.services_by_name["IbHostService"]
_METHOD: Final = "StreamBars"


def add_bars_handler(datasets: Datasets, server: grpc.aio.Server) -> None:
    """Let a server answer StreamBars with encoded responses as they are.

    Call it before the servicer is added: of several handlers of one method a server takes the first.
    """

    async def stream(
        request: ib_pb2.StreamBarsRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        async with aclosing(datasets.stream(request)) as responses:
            async for response in responses:
                yield response

    handler: grpc.RpcMethodHandler[ib_pb2.StreamBarsRequest, bytes] = grpc.unary_stream_rpc_method_handler(
        stream, request_deserializer=ib_pb2.StreamBarsRequest.FromString, response_serializer=None
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE.full_name, {_METHOD: handler}),))
