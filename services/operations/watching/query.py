"""What a watch asks for."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.timestamps import to_timedelta
from services.operations.filter_errors import requested_filter
from services.operations.filters import Expression, matches

_DEFAULT_HEARTBEAT: Final = timedelta(seconds=15)
_SHORTEST_HEARTBEAT: Final = timedelta(milliseconds=100)
_MOST_NAMES: Final = 1_000


@dataclass(frozen=True)
class Selection:
    """What is wanted: watches with equal selections are told the same.

    Attributes:
        expression: Only operations that match.
        operation_ids: Only these; empty for all.
        include_metrics: Points are wanted too.
        series: Only points of these series; empty for all.
    """

    expression: Expression
    operation_ids: frozenset[str] = frozenset()
    include_metrics: bool = False
    series: frozenset[str] = frozenset()

    def names(self, operation_id: str) -> bool:
        """Tell whether an operation is among those that were named, if any were."""
        return not self.operation_ids or operation_id in self.operation_ids

    def wants(self, record: pb.Operation) -> bool:
        """Tell whether an operation is wanted as it is now."""
        return self.names(record.id) and matches(self.expression, record)


@dataclass(frozen=True)
class WatchQuery:
    """What a watch asks for.

    Attributes:
        selection: What is wanted.
        after_revision: Only changes after it; 0 for everything.
        heartbeat_seconds: Longest silence.
    """

    selection: Selection
    after_revision: int
    heartbeat_seconds: float


def requested_watch(request: pb.WatchOperationsRequest) -> WatchQuery:
    """Return what a request asks for.

    Raises:
        ServiceError: FILTER_INVALID or INVALID_REQUEST.
    """
    problems = [
        FieldViolation(field, f"at most {_MOST_NAMES:,}")
        for field, names in (("operation_ids", request.operation_ids), ("series", request.series))
        if len(names) > _MOST_NAMES
    ]
    heartbeat = to_timedelta(request.heartbeat) if request.HasField("heartbeat") else _DEFAULT_HEARTBEAT
    if heartbeat < _SHORTEST_HEARTBEAT:
        problems.append(FieldViolation("heartbeat", "at least 0.1 s"))
    if problems:
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=problems)
    metrics = request.include_metrics
    selection = Selection(
        requested_filter(request.filter),
        frozenset(request.operation_ids),
        metrics,
        frozenset(request.series) if metrics else frozenset(),
    )
    return WatchQuery(selection, request.after_revision, heartbeat.total_seconds())
