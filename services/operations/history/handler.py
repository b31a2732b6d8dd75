"""QueryMetrics on the wire: the answer goes out as the bytes that it was put together from."""

from typing import Any, Final

import grpc
from ktrdr.host.v1.metrics_pb2 import MetricEncoding
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.history.histories import MetricHistories
from services.operations.history.query import MetricQuery

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["OperationsService"]
_METHOD: Final = "QueryMetrics"


def add_history_handler(histories: MetricHistories, server: grpc.aio.Server) -> None:
    """Let a server answer QueryMetrics with encoded responses as they are.

    Call it before the servicer is added: of several handlers of one method a server takes the first.
    """

    async def query(request: pb.QueryMetricsRequest, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        return await histories.query(requested_history(request))

    handler: grpc.RpcMethodHandler[pb.QueryMetricsRequest, bytes] = grpc.unary_unary_rpc_method_handler(
        query, request_deserializer=pb.QueryMetricsRequest.FromString, response_serializer=None
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE.full_name, {_METHOD: handler}),))


def requested_history(request: pb.QueryMetricsRequest) -> MetricQuery:
    """Return what a request asks for."""
    return MetricQuery(
        operation_id=request.operation_id,
        operation_ids=tuple(request.operation_ids),
        series=tuple(request.series),
        attempt=request.attempt,
        after_seq=request.after_seq if request.HasField("after_seq") else -1,
        before_seq=request.before_seq if request.HasField("before_seq") else None,
        from_step=request.from_step if request.HasField("from_step") else None,
        to_step=request.to_step if request.HasField("to_step") else None,
        max_points=request.max_points,
        page_size=request.page_size,
        page_token=request.page_token,
        raw_rows=request.metric_encoding == MetricEncoding.METRIC_ENCODING_ROWS,
    )
