"""An operations service that does what a test says: a real grpc.aio server, the real contract, plain records."""

# ruff: noqa: N802 - the contract names the methods

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr.operations.v1.operations_pb2 import Operation

from tests.support.simulated_registry import (
    FINAL,
    SimulatedRegistry,
    changes,
    matches,
    ordered,
    refuse,
    rich_status,
)

__all__ = ["SimulatedOperations", "SimulatedRegistry", "refuse", "rich_status", "simulated_operations"]


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
        every = ordered(self.registry.operations.values(), request.order_by)
        found = [each for each in every if matches(each, request.filter)]
        start, size = int(request.page_token or 0), request.page_size or 50
        more = str(start + size) if start + size < len(found) else ""
        return pb.ListOperationsResponse(
            operations=found[start : start + size],
            next_page_token=more,
            revision=self.registry.revision,
            total_size=len(found),
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
            generation, sent, snapshot = registry.stream_generation, request.after_revision, True
            while True:
                async with registry.changed:
                    response = changes(registry, request, sent)
                    sent = registry.revision
                yield response
                if snapshot and not response.bookmark:
                    yield pb.WatchOperationsResponse(revision=sent, bookmark=True)
                snapshot = False
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
        ids = list(request.operation_ids) or [request.operation_id]
        operations = [await self._known(operation_id, context) for operation_id in ids]
        found = [
            _of(operation, each)
            for operation in operations
            for each in self.registry.history.get(operation.id, [])
            if not request.series or each.points.name in request.series
        ]
        start = int(request.page_token or 0)
        end = start + self.registry.metrics_page
        return pb.QueryMetricsResponse(
            series=found[start:end],
            attempt=request.attempt or operations[0].attempt,
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

    async def RetryOperation(self, request: pb.RetryOperationRequest, context: Any) -> pb.RetryOperationResponse:
        self._note(request, context)
        operation = await self._known(request.operation_id, context)
        if self.registry.refusals:
            await refuse(context, self.registry.refusals.pop(0))
        await self._check_ended(operation, context)
        past = pb.AttemptRecord(attempt=operation.attempt, state=operation.state, host=operation.host)
        again = Operation()
        again.CopyFrom(operation)
        again.MergeFrom(Operation(state=Operation.STATE_PENDING, past_attempts=[past]))
        again.attempt += 1
        for name in ("error", "training_result", "data_load_result", "end_time"):
            again.ClearField(name)
        return pb.RetryOperationResponse(operation=await self.registry.put(again))

    async def UpdateOperation(self, request: pb.UpdateOperationRequest, context: Any) -> Operation:
        self._note(request, context)
        updated = Operation()
        updated.CopyFrom(await self._known(request.operation_id, context))
        updated.labels.update(request.set_labels)
        for key in request.remove_labels:
            updated.labels.pop(key, None)
        if request.HasField("notes"):
            updated.notes = request.notes
        if request.HasField("display_name"):
            updated.display_name = request.display_name
        return await self.registry.put(updated)

    async def DeleteOperation(self, request: pb.DeleteOperationRequest, context: Any) -> pb.DeleteOperationResponse:
        self._note(request, context)
        if request.operation_id not in self.registry.deleted:
            await self._check_ended(await self._known(request.operation_id, context), context)
            await self.registry.delete(request.operation_id)
        return pb.DeleteOperationResponse()

    async def DiagnoseOperation(
        self, request: pb.DiagnoseOperationRequest, context: Any
    ) -> pb.DiagnoseOperationResponse:
        self._note(request, context)
        operation = await self._known(request.operation_id, context)
        found = pb.DiagnoseOperationResponse()
        found.CopyFrom(self.registry.diagnosis)
        found.attempt = request.attempt or operation.attempt
        found.thresholds.update(request.thresholds)
        if request.kinds:
            kept = [verdict for verdict in found.verdicts if verdict.kind in request.kinds]
            del found.verdicts[:]
            found.verdicts.extend(kept)
        return found

    async def RegisterHost(self, request: pb.RegisterHostRequest, context: Any) -> pb.RegisterHostResponse:
        self._note(request, context)
        if self.registry.refusals:
            await refuse(context, self.registry.refusals.pop(0))
        record = next((each for each in self.registry.hosts if each.name == request.name), None)
        if record is None:
            record = pb.HostRecord(name=request.name, source=pb.HostRecord.SOURCE_REGISTERED)
            self.registry.hosts.append(record)
        lease = request.lease if request.HasField("lease") else Duration(seconds=60)
        record.MergeFrom(pb.HostRecord(address=request.address, host_uid=request.host_uid))
        record.lease_left.CopyFrom(lease)
        return pb.RegisterHostResponse(host=record, lease=lease)

    async def UnregisterHost(self, request: pb.UnregisterHostRequest, context: Any) -> pb.UnregisterHostResponse:
        self._note(request, context)
        named = [record for record in self.registry.hosts if record.name == request.name]
        if not named:
            await refuse(context, rich_status(grpc.StatusCode.NOT_FOUND, "HOST_NOT_FOUND", "there is no such host"))
        if named[0].source == pb.HostRecord.SOURCE_CONFIGURED:
            status = rich_status(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE", "the host is configured")
            await refuse(context, status)
        self.registry.hosts.remove(named[0])
        return pb.UnregisterHostResponse()

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

    async def _check_ended(self, operation: Operation, context: Any) -> None:
        if operation.state not in FINAL:
            message = f"operation {operation.id} has not ended; see: ktrdr ops cancel {operation.id}"
            await refuse(context, rich_status(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE", message))

    async def _check_filter(self, text: str, context: Any) -> None:
        if "=" not in text and text:
            status = rich_status(
                grpc.StatusCode.INVALID_ARGUMENT, "FILTER_INVALID", f"cannot read the filter {text!r}",
                fields=[("filter", "an operator is missing")],
            )  # fmt: skip
            await refuse(context, status)


def _of(operation: Operation, history: pb.MetricHistory) -> pb.MetricHistory:
    """Return a part of a history as the part of this operation."""
    named = pb.MetricHistory()
    named.CopyFrom(history)
    named.operation_id, named.attempt = operation.id, named.attempt or operation.attempt
    return named


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
