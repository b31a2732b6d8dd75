"""Tell watches when hosts come into sight or out of it."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.followed_host import FollowedHost
from services.operations.operation_state import OperationState
from services.operations.registry import Registry

_LOOK_EVERY_SECONDS: Final = 0.5


class LivenessBoard:
    """Gives the operations of a host a new revision when its state has changed; the state is computed anew each time.

    Args:
        hosts: All hosts by name.
        registry: The operations.
        clock: The time.
    """

    def __init__(self, hosts: Mapping[str, FollowedHost], registry: Registry, clock: Clock) -> None:
        self._hosts = hosts
        self._registry = registry
        self._clock = clock
        self._shown: dict[str, pb.HostRecord.State.ValueType] = {}

    async def run(self) -> None:
        """Look again and again until cancelled: states also change because time passes."""
        while True:
            try:
                for host in list(self._hosts.values()):
                    self.look(host)
            except (
                ServiceError
            ) as error:  # no revisions are left to tell it with, until the store takes something again
                structlog.get_logger().warning("liveness_not_told", problem=error.message)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def look(self, host: FollowedHost) -> None:
        """Compare the state of a host with the one that was shown last."""
        state = host.state(self._clock.monotonic())
        if self._shown.get(host.name, pb.HostRecord.State.STATE_UNSPECIFIED) == state:
            return
        self._tell(host)
        self._shown[host.name] = state  # behind: what could not be told is told at the next look

    def forget(self, host: FollowedHost) -> None:
        """Take note that a host is followed no longer: nobody sees its operations now."""
        if self._shown.pop(host.name, None) is not None:
            self._tell(host)

    def _tell(self, host: FollowedHost) -> None:
        for operation in list(self._registry.live.values()):
            state = operation.state
            if state.record.host == host.name or (host.host_uid and state.host_uid == host.host_uid):
                self._registry.show(operation, _changed)


def _changed(_: OperationState) -> bool:
    """Nothing changes in the record itself."""
    return True
