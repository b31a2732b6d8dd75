"""Choose the host for an operation."""

from collections.abc import Mapping
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.operations.followed_host import FollowedHost

_KINDS: Final = {
    pb.OPERATION_TYPE_TRAINING: HostKind.HOST_KIND_TRAINING,
    pb.OPERATION_TYPE_DATA_LOAD: HostKind.HOST_KIND_IB,
}
_NAMES: Final = {HostKind.HOST_KIND_TRAINING: "training", HostKind.HOST_KIND_IB: "IB"}
_PROCESSOR: Final = "cpu"
_UNKNOWN: Final = HostKind.HOST_KIND_UNSPECIFIED


class NoPlaceYet(Exception):
    """No host can take the operation now.

    Attributes:
        wait_reason: Why, for people.
    """

    def __init__(self, wait_reason: str) -> None:
        super().__init__(wait_reason)
        self.wait_reason = wait_reason


class Placement:
    """Chooses hosts.

    Args:
        hosts: All hosts by name.
        clock: The time.
    """

    def __init__(self, hosts: Mapping[str, FollowedHost], clock: Clock) -> None:
        self._hosts = hosts
        self._clock = clock

    def check(self, kind: "pb.OperationType.ValueType", wanted: str) -> None:
        """Refuse what no configured host will ever take. A host that has not answered yet may be of any kind.

        Args:
            kind: What is to be done.
            wanted: Name of the host that it has to be done on; empty for any.

        Raises:
            ServiceError: HOST_NOT_FOUND, NO_HOST_OF_KIND, or INVALID_REQUEST for a host of another kind.
        """
        needed = _KINDS[kind]
        if wanted and wanted not in self._hosts:
            raise ServiceError(ErrorReason.ERROR_REASON_HOST_NOT_FOUND, host=wanted)
        if wanted and self._hosts[wanted].kind not in {needed, _UNKNOWN}:
            description = f"{wanted} is no {_NAMES[needed]} host; leave it empty, or see: ktrdr hosts list"
            fields = [FieldViolation("host", description)]
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields, detail=f"host: {description}.")
        if not any(host.kind in {needed, _UNKNOWN} for host in self._hosts.values()):
            raise ServiceError(ErrorReason.ERROR_REASON_NO_HOST_OF_KIND, kind=_NAMES[needed])

    def choose(
        self, kind: "pb.OperationType.ValueType", wanted: str, *, gpus: int = 0, preferred: str = ""
    ) -> FollowedHost:
        """Return the host to place an operation on: the preferred one if it takes work, or the least busy that answers.

        Args:
            kind: What is to be done.
            wanted: Name of the host that it has to be done on; empty for any.
            gpus: GPUs that it needs: hosts that have so many come first. Where none has, one of them says so.
            preferred: Name of the host that is best, such as the one that had the attempt before; empty for none.

        Raises:
            NoPlaceYet: No host can take it now.
        """
        needed = _NAMES[_KINDS[kind]]
        fitting = [host for host in self._hosts.values() if wanted in {"", host.name} and host.kind == _KINDS[kind]]
        now = self._clock.monotonic()
        # A host whose lease is over is followed for the sake of what it has; it gets nothing new.
        open_hosts = [host for host in fitting if not host.draining and not host.is_lease_over(now)]
        ready = [host for host in open_hosts if host.state(now) == pb.HostRecord.State.STATE_UP]
        if ready:
            return min(ready, key=lambda host: (_gpus(host) < gpus, not _is_best(host, preferred), *_load(host)))
        drained = [host for host in fitting if host.draining]
        if drained and not open_hosts:
            name = drained[0].name
            raise NoPlaceYet(f"host {name} is drained; let it take work again with: ktrdr hosts drain {name} --undo")
        which = f"host {wanted}" if wanted else f"no {needed} host"
        raise NoPlaceYet(
            f"{which} {'does not answer' if wanted else 'answers'}; see how hosts stand with: ktrdr hosts list"
        )


def _is_best(host: FollowedHost, preferred: str) -> bool:
    told = host.description
    room = told.running_sessions + told.queued_sessions < told.slots + told.queue_limit
    return host.name == preferred and room and not told.stopping


def _load(host: FollowedHost) -> tuple[bool, float, str]:
    told = host.description
    return told.stopping, (told.running_sessions + told.queued_sessions) / max(told.slots, 1), host.name


def _gpus(host: FollowedHost) -> int:
    return sum(device.name != _PROCESSOR for device in host.description.devices)
