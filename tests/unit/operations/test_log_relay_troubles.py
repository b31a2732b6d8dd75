"""Logs that a host does not have, while something else changes."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.channel import open_channel
from services.common.errors import ServiceError
from services.common.watches import WatchLimit
from services.operations.followed_host import FollowedHost
from services.operations.host_connection import HostConnection
from services.operations.host_errors import HostDoesNotAnswer, SessionUnknown
from services.operations.log_relay import LogRelay
from services.operations.operation_state import Delivery, OperationState

ID = "0123456789ab"


class Forgetful:
    """A host that has no session."""

    async def read_log(self, request: host_pb2.ReadLogRequest) -> AsyncGenerator[host_pb2.ReadLogResponse, None]:
        if request.session_id:
            raise SessionUnknown(request.session_id)
        yield host_pb2.ReadLogResponse()


def relay(state: OperationState) -> LogRelay:
    async def get(_operation_id: str) -> OperationState:
        return state

    registry: Any = SimpleNamespace(get=get)
    hosts = {"gpu": FollowedHost("gpu", "a:1", 20.0, host_uid="uid")}
    connections: Any = {"gpu": Forgetful()}
    return LogRelay(registry, hosts, connections, WatchLimit(1), asyncio.Event())


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (0, ErrorReason.ERROR_REASON_WRONG_STATE),  # its host may be getting it
        (2, ErrorReason.ERROR_REASON_WRONG_STATE),
        (1, ErrorReason.ERROR_REASON_SESSION_NOT_FOUND),  # it had it, and will not get it again
    ],
)
async def test_only_the_latest_attempt_may_be_on_its_way_to_its_host(
    attempt: int, reason: "ErrorReason.ValueType"
) -> None:
    record = pb.Operation(id=ID, session_id=f"{ID}-2", attempt=2, state=pb.Operation.STATE_PENDING, host="gpu")
    record.past_attempts.add(attempt=1, session_id=f"{ID}-1", host="gpu")
    state = OperationState(record, Delivery.SENT, host_uid="uid")
    with pytest.raises(ServiceError) as refusal:
        await anext(relay(state).read(pb.ReadLogRequest(operation_id=ID, attempt=attempt, follow=True)))
    assert refusal.value.reason == reason


async def test_a_host_that_is_let_go_just_before_its_log_is_read_is_followed_no_longer() -> None:
    channel = open_channel("127.0.0.1:9")
    connection = HostConnection("gpu", "127.0.0.1:9", channel, reader_id="reader")
    messages = connection.read_log(host_pb2.ReadLogRequest(session_id="s"))
    await connection.close()
    with pytest.raises(HostDoesNotAnswer, match="is not followed any more"):
        await anext(messages)
