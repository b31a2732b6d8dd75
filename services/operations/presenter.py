"""What is told of an operation at this moment."""

from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.timestamps import seconds_to_duration, to_duration, to_timedelta
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.live_operation import LiveOperation
from services.operations.loss import grace_left
from services.operations.operation_state import Delivery, OperationState


class Presenter:
    """Adds to records what depends on the time of telling: liveness, staleness, ages. None of it is ever stored.

    Args:
        hosts: Followed hosts by name.
        clock: The time.
    """

    def __init__(self, hosts: Mapping[str, FollowedHost], clock: Clock) -> None:
        self._hosts = hosts
        self._clock = clock

    def present(self, operation: LiveOperation | OperationState) -> pb.Operation:
        """Return the operation as it is told now."""
        if isinstance(operation, OperationState):
            told = pb.Operation()
            told.CopyFrom(operation.record)
            return told
        return self._present(operation)

    def _present(self, operation: LiveOperation) -> pb.Operation:
        state, told = operation.state, pb.Operation()
        told.CopyFrom(state.record)
        if state.ended or state.delivery is Delivery.NEW:
            return told
        now = self._clock.monotonic()
        if operation.seen_at is not None:
            _let_run(told, timedelta(seconds=now - operation.seen_at))
        self._add_liveness(told, state, now)
        if told.HasField("loss"):
            told.liveness = pb.LIVENESS_LOST
            if (left := grace_left(operation, now)) is not None:
                told.loss.grace_left.CopyFrom(to_duration(left))
        return told

    def _add_liveness(self, told: pb.Operation, state: OperationState, now: float) -> None:
        host = owner_of(self._hosts, state)
        if host is None:
            told.liveness = pb.LIVENESS_UNREACHABLE
            told.wait_reason = self._missing(told.host)
            return
        told.liveness = host.liveness(now)
        if host.last_success is not None and state.delivery is Delivery.ACCEPTED:
            told.staleness.CopyFrom(seconds_to_duration(now - host.last_success))
        if told.liveness == pb.LIVENESS_UNREACHABLE and not told.wait_reason:
            told.wait_reason = f"host {host.name} does not answer; trying again"

    def _missing(self, name: str) -> str:
        if name in self._hosts:
            address = self._hosts[name].address
            return f"another host answers at {address} now; bring back the one that has the session"
        return unfollowed(name)


def unfollowed(name: str) -> str:
    """Say that a host is not followed any more, and how it is again."""
    return (
        f"host {name} is no longer configured or announced; start it, or follow it again with "
        f"--host {name}=HOST:PORT or: ktrdr hosts register {name} HOST:PORT"
    )


def _let_run(told: pb.Operation, since: timedelta) -> None:
    """Let the times run that the host told of, by what has passed since it told them."""
    if told.progress.HasField("age"):
        told.progress.age.CopyFrom(to_duration(to_timedelta(told.progress.age) + since))
    if told.HasField("cancel_grace_left"):
        _count_down(told.cancel_grace_left, since)
    if told.HasField("time_left"):
        _count_down(told.time_left, since)


def _count_down(left: Duration, since: timedelta) -> None:
    left.CopyFrom(to_duration(max(timedelta(), to_timedelta(left) - since)))
