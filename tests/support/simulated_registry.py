"""What a simulated operations service knows, and the statuses that it answers with."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.operations_pb2 import Operation

FINAL = (Operation.STATE_COMPLETED, Operation.STATE_FAILED, Operation.STATE_CANCELLED)


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
    diagnosis: pb.DiagnoseOperationResponse = field(default_factory=pb.DiagnoseOperationResponse)
    """What a diagnosis finds."""
    deleted: dict[str, int] = field(default_factory=dict)
    """Revision of each deletion."""
    points: list[tuple[int, pb.OperationMetrics]] = field(default_factory=list)
    """Points that came, with their revisions."""
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

    async def delete(self, operation_id: str) -> None:
        """Remove an operation."""
        async with self.changed:
            self.revision += 1
            del self.operations[operation_id]
            self.deleted[operation_id] = self.revision
            self.changed.notify_all()

    async def add_points(self, points: pb.OperationMetrics) -> int:
        """Let points of metrics come, and return their revision."""
        async with self.changed:
            self.revision += 1
            self.points.append((self.revision, points))
            self.changed.notify_all()
            return self.revision

    async def end_streams(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """End every open watch; OK ends them in good order."""
        async with self.changed:
            self.stream_generation += 1
            self.stream_end = code
            self.changed.notify_all()


def matches(operation: Operation, filter_text: str) -> bool:
    """Enough of the filter language for the client's own filters: display_name, state, type, host and attached."""
    if " AND " in filter_text:
        return all(matches(operation, part) for part in filter_text.split(" AND "))
    if filter_text.startswith("display_name = "):
        return operation.display_name == filter_text.removeprefix("display_name = ").strip('"')
    if filter_text.startswith("state = "):
        return Operation.State.Name(operation.state) == "STATE_" + filter_text.removeprefix("state = ")
    if filter_text.startswith("type = "):
        return pb.OperationType.Name(operation.type) == "OPERATION_TYPE_" + filter_text.removeprefix("type = ")
    if filter_text.startswith("attached = "):
        return operation.attached == (filter_text.removeprefix("attached = ") == "true")
    if filter_text.startswith("host = "):
        return operation.host == filter_text.removeprefix("host = ").strip('"')
    return True


def ordered(operations: Iterable[Operation], order_by: str) -> list[Operation]:
    """Return operations by display_name, state or end as asked, otherwise the newest first."""
    field_name, _, direction = order_by.partition(" ")
    found = list(operations)[::-1]
    if field_name in {"display_name", "state"}:
        found.sort(key=lambda operation: getattr(operation, field_name), reverse=direction == "desc")
    if field_name == "end_time":
        found.sort(key=lambda operation: operation.end_time.ToNanoseconds(), reverse=direction == "desc")
    return found


def changes(registry: SimulatedRegistry, request: pb.WatchOperationsRequest, after: int) -> pb.WatchOperationsResponse:
    """Return everything that a watch has to be told after a revision, as one message."""

    def wanted(operation_id: str, revision: int) -> bool:
        return revision > after and (not request.operation_ids or operation_id in request.operation_ids)

    touched = [each for each in registry.operations.values() if wanted(each.id, each.revision)]
    touched.sort(key=lambda each: each.revision)
    response = pb.WatchOperationsResponse(
        operations=[each for each in touched if matches(each, request.filter)], revision=registry.revision
    )
    if after:
        gone = [each for each in touched if not matches(each, request.filter)]
        response.left_filter.extend(pb.LeftFilter(operation_id=each.id, revision=each.revision) for each in gone)
        response.deleted.extend(
            pb.DeletedOperation(operation_id=operation_id, revision=revision)
            for operation_id, revision in registry.deleted.items()
            if wanted(operation_id, revision)
        )
    if request.include_metrics:
        response.metrics.extend(each for revision, each in registry.points if wanted(each.operation_id, revision))
    response.bookmark = not (response.operations or response.left_filter or response.deleted or response.metrics)
    return response
