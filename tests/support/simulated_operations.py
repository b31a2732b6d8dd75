"""An operations service that does what a test says: a real grpc.aio server, the real contract, plain records."""

# ruff: noqa: N802 - the contract names the methods

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr.operations.v1.operations_pb2 import Operation


def rich_status(
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    fields: Sequence[tuple[str, str]] = (),
    retry_after: timedelta | None = None,
    **metadata: str,
) -> status_pb2.Status:
    """Return a status as KTRDR's servers send it."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain="ktrdr", metadata=metadata)]
    if fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=name, description=text) for name, text in fields
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(retry_after)
        details.append(retry)
    packed = [AnyMessage() for _ in details]
    for any_message, detail in zip(packed, details, strict=True):
        any_message.Pack(detail)
    number: int = code.value[0]
    return status_pb2.Status(code=number, message=message, details=packed)


async def refuse(context: Any, status: status_pb2.Status) -> NoReturn:
    """End a call with a rich status."""
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort always raises")


@dataclass
class SimulatedRegistry:
    """What the simulated service knows; tests change it while the service runs."""

    operations: dict[str, Operation] = field(default_factory=dict)
    revision: int = 0
    oldest_revision: int = 0
    hosts: list[pb.HostRecord] = field(default_factory=list)
    history: dict[str, list[pb.MetricHistory]] = field(default_factory=dict)
    metrics_page: int = 10_000
    """Entries of `history` in one answer."""
    refusals: list[status_pb2.Status] = field(default_factory=list)
    """The next calls that create something are refused with these, one after the other."""
    wait_reason: str = ""
    """Why operations that are created wait."""
    requests: list[Message] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)
    open_watches: int = 0
    watch_requests: list[pb.WatchOperationsRequest] = field(default_factory=list)
    stream_generation: int = 0
    stream_end: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, operation: Operation) -> Operation:
        """Store a new version of an operation."""
        async with self.changed:
            self.revision += 1
            stored = Operation()
            stored.CopyFrom(operation)
            stored.revision = self.revision
            self.operations[stored.id] = stored
            self.changed.notify_all()
            return stored

    async def update(self, operation_id: str, **values: Any) -> Operation:
        """Change fields of an operation."""
        operation = Operation()
        operation.CopyFrom(self.operations[operation_id])
        operation.MergeFrom(Operation(**values))
        return await self.put(operation)

    async def end_streams(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """End every open watch; OK ends them in good order."""
        async with self.changed:
            self.stream_generation += 1
            self.stream_end = code
            self.changed.notify_all()


class SimulatedOperations(operations_pb2_grpc.OperationsServiceServicer):
    """The servicer over a `SimulatedRegistry`."""

    def __init__(self, registry: SimulatedRegistry) -> None:
        self.registry = registry

    def _note(self, request: Message, context: Any) -> None:
        self.registry.requests.append(request)
        self.registry.deadlines.append(context.time_remaining())

    async def CreateOperation(self, request: pb.CreateOperationRequest, context: Any) -> Operation:
        self._note(request, context)
        if self.registry.refusals:
            await refuse(context, self.registry.refusals.pop(0))
        for existing in self.registry.operations.values():
            if existing.labels.get("request_id") == request.request_id:
                return existing
        is_training = request.HasField("training")
        operation = Operation(
            id=f"op{len(self.registry.operations):010d}",
            display_name=request.display_name,
            type=pb.OPERATION_TYPE_TRAINING if is_training else pb.OPERATION_TYPE_DATA_LOAD,
            state=Operation.STATE_PENDING,
            attempt=1,
            labels={**request.labels, "request_id": request.request_id},
            training=request.training if is_training else None,
            data_load=None if is_training else request.data_load,
            wait_reason=self.registry.wait_reason,
        )
        return await self.registry.put(operation)

    async def GetOperation(self, request: pb.GetOperationRequest, context: Any) -> Operation:
        self._note(request, context)
        return await self._known(request.operation_id, context)

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Any) -> pb.ListOperationsResponse:
        self._note(request, context)
        await self._check_filter(request.filter, context)
        found = [each for each in reversed(self.registry.operations.values()) if _matches(each, request.filter)]
        start, size = int(request.page_token or 0), request.page_size or 50
        more = str(start + size) if start + size < len(found) else ""
        return pb.ListOperationsResponse(
            operations=found[start : start + size], next_page_token=more, revision=self.registry.revision
        )

    async def WatchOperations(
        self, request: pb.WatchOperationsRequest, context: Any
    ) -> AsyncIterator[pb.WatchOperationsResponse]:
        registry = self.registry
        registry.watch_requests.append(request)
        await self._check_filter(request.filter, context)
        if request.after_revision and not registry.oldest_revision <= request.after_revision <= registry.revision:
            status = rich_status(grpc.StatusCode.OUT_OF_RANGE, "REVISION_OUT_OF_RANGE", "list again")
            await refuse(context, status)
        registry.open_watches += 1
        try:
            generation, sent = registry.stream_generation, request.after_revision
            while True:
                async with registry.changed:
                    changed = _changes(registry.operations.values(), request, sent)
                    sent = registry.revision
                yield pb.WatchOperationsResponse(operations=changed, revision=sent, bookmark=not changed)
                async with registry.changed:
                    await registry.changed.wait_for(
                        lambda: registry.revision > sent or registry.stream_generation > generation  # noqa: B023 - used within this turn only
                    )
                if registry.stream_generation > generation:
                    if registry.stream_end is not grpc.StatusCode.OK:
                        await context.abort(registry.stream_end, "the stream was cut")
                    return
        finally:
            registry.open_watches -= 1

    async def QueryMetrics(self, request: pb.QueryMetricsRequest, context: Any) -> pb.QueryMetricsResponse:
        self._note(request, context)
        operation = await self._known(request.operation_id, context)
        found = [
            each
            for each in self.registry.history.get(operation.id, [])
            if not request.series or each.points.name in request.series
        ]
        start = int(request.page_token or 0)
        end = start + self.registry.metrics_page
        return pb.QueryMetricsResponse(
            series=found[start:end],
            attempt=request.attempt or operation.attempt,
            next_page_token=str(end) if end < len(found) else "",
        )

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: Any) -> pb.CancelOperationResponse:
        self._note(request, context)
        await self._known(request.operation_id, context)
        operation = await self.registry.update(
            request.operation_id,
            state=Operation.STATE_CANCELLING,
            cancel_requested=True,
            cancel_reason=request.reason,
        )
        return pb.CancelOperationResponse(operation=operation)

    async def ListHosts(self, request: pb.ListHostsRequest, context: Any) -> pb.ListHostsResponse:
        self._note(request, context)
        return pb.ListHostsResponse(hosts=self.registry.hosts)

    async def DrainHost(self, request: pb.DrainHostRequest, context: Any) -> pb.DrainHostResponse:
        self._note(request, context)
        named = [record for record in self.registry.hosts if record.name == request.host]
        if not named:
            await refuse(context, rich_status(grpc.StatusCode.NOT_FOUND, "HOST_NOT_FOUND", "there is no such host"))
        named[0].draining = not request.undo
        return pb.DrainHostResponse(host=named[0])

    async def ReadLog(self, request: pb.ReadLogRequest, context: Any) -> AsyncIterator[pb.ReadLogResponse]:
        await self._known(request.operation_id, context)
        yield pb.ReadLogResponse(next_offset="end")

    async def _known(self, operation_id: str, context: Any) -> Operation:
        operation = self.registry.operations.get(operation_id)
        if operation is None:
            message = f"there is no operation {operation_id!r}; see: ktrdr ops list"
            await refuse(context, rich_status(grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND", message))
        return operation

    async def _check_filter(self, text: str, context: Any) -> None:
        if "=" not in text and text:
            status = rich_status(
                grpc.StatusCode.INVALID_ARGUMENT, "FILTER_INVALID", f"cannot read the filter {text!r}",
                fields=[("filter", "an operator is missing")],
            )  # fmt: skip
            await refuse(context, status)


def _matches(operation: Operation, filter_text: str) -> bool:
    """Enough of the filter language for the client's own filters: display_name and state."""
    if filter_text.startswith("display_name = "):
        return operation.display_name == filter_text.removeprefix("display_name = ").strip('"')
    if filter_text.startswith("state = "):
        return Operation.State.Name(operation.state) == "STATE_" + filter_text.removeprefix("state = ")
    return True


def _changes(operations: Iterable[Operation], request: pb.WatchOperationsRequest, after: int) -> list[Operation]:
    wanted = [
        each
        for each in operations
        if each.revision > after
        and (not request.operation_ids or each.id in request.operation_ids)
        and _matches(each, request.filter)
    ]
    return sorted(wanted, key=lambda each: each.revision)


@asynccontextmanager
async def simulated_operations(
    registry: SimulatedRegistry | None = None, *, address: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[SimulatedRegistry, str]]:
    """Serve a registry; yields it and the address. A later server can serve the same registry at the same address."""
    registry = registry or SimulatedRegistry()
    server = grpc.aio.server(
        options=[("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 5_000)]
    )
    operations_pb2_grpc.add_OperationsServiceServicer_to_server(SimulatedOperations(registry), server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield registry, f"{address.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(0)
