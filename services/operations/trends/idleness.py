"""How long nothing has come from an operation that could be seen, and should have reported."""

from collections.abc import Mapping

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_STALLED

from services.common.timestamps import to_timedelta
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import State
from services.operations.trends.entry import Entry


def waits(operation: LiveOperation) -> bool:
    """Tell whether an operation has said that it waits for something: then nothing has to come."""
    if operation.state.later is not None:
        return False  # such an operation is at work
    record = operation.record
    return bool(record.wait_reason or record.progress.wait_reason)


def idle_seconds(entry: Entry, hosts: Mapping[str, FollowedHost], now: float) -> float | None:
    """Return how long nothing has come; None if that says nothing now: out of sight, lost, or asked to stop.

    Time in which the host was out of sight does not count: only up to its last answer is it known that nothing came.
    What the worker has written beside points (progress) is a sign of life, too.

    Args:
        entry: The operation.
        hosts: All hosts by name.
        now: Monotonic time.
    """
    operation = entry.operation
    record = operation.record
    host = owner_of(hosts, operation.state)
    if host is None or host.last_success is None or record.HasField("loss") or record.state != State.STATE_RUNNING:
        return None
    idle = host.last_success - entry.arrived_at
    if record.progress.HasField("age") and operation.seen_at is not None:
        written = to_timedelta(record.progress.age).total_seconds()
        idle = min(idle, written + host.last_success - operation.seen_at)
    return max(0.0, idle) if host.liveness(now) == pb.LIVENESS_FRESH else None


def resume_stall(entry: Entry, now: float) -> None:
    """Let a stall go on that was told before a restart, if nothing has come since: it is not found anew.

    Args:
        entry: The operation, whose trends have looked at everything.
        now: Monotonic time.
    """
    last_point_seconds = entry.trends.last_ns / 1e9
    for verdict in entry.operation.record.verdicts:
        is_open = verdict.kind == VERDICT_KIND_STALLED and verdict.active
        if is_open and verdict.figures["last_point_seconds"] == last_point_seconds:
            entry.arrived_at = now - entry.trends.patience_seconds - 1.0
