"""That a host has come into sight, or gone, is told until it could be told."""

from types import SimpleNamespace
from typing import Any

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import LiveOperation
from services.operations.liveness import LivenessBoard
from services.operations.operation_state import Delivery, OperationState
from tests.support.fake_clock import FakeClock


class Full:
    """A registry that has no revision left for a moment."""

    def __init__(self) -> None:
        record = pb.Operation(id="0123456789ab", attempt=1, host="gpu")
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid"))
        self.live = {operation.id: operation}
        self.troubles = 1
        self.shown = 0

    def show(self, *_arguments: object) -> None:
        if self.troubles:
            self.troubles -= 1
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")
        self.shown += 1


def test_what_could_not_be_told_is_told_at_the_next_look() -> None:
    registry, clock = Full(), FakeClock()
    host = FollowedHost("gpu", "a:1", 20.0, host_uid="uid", last_success=clock.monotonic())
    told: Any = SimpleNamespace(live=registry.live, show=registry.show)
    board = LivenessBoard({"gpu": host}, told, clock)
    with pytest.raises(ServiceError):
        board.look(host)
    for _ in range(2):
        board.look(host)
        assert registry.shown == 1
