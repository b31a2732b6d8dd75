"""Pass the log of an operation on from the host that has it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError, error_from_status
from services.common.watches import WatchLimit
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.host_connection import HostConnection
from services.operations.host_errors import HostCallError, HostHasNoRoom, HostRefuses, SessionUnknown
from services.operations.identifiers import parse_session_id, session_id_of
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState
from services.operations.presenter import unfollowed
from services.operations.registry import Registry

_RETRY_AFTER: Final = timedelta(seconds=2)


class LogRelay:
    """Relays logs. Nothing of them is kept here, and nothing of the registry is held while one is read.

    Args:
        registry: The operations.
        hosts: All hosts by name.
        connections: Connections to them by name.
        limit: Most watches at the same time; logs that are read count.
        stopping: Set when the server stops.
    """

    def __init__(
        self,
        registry: Registry,
        hosts: Mapping[str, FollowedHost],
        connections: Mapping[str, HostConnection],
        limit: WatchLimit,
        stopping: asyncio.Event,
    ) -> None:
        self._registry = registry
        self._hosts = hosts
        self._connections = connections
        self._limit = limit
        self._stopping = stopping

    async def read(self, request: pb.ReadLogRequest, *, client: str = "") -> AsyncGenerator[pb.ReadLogResponse, None]:
        """Yield the log in messages, as the host sends them, until it ends the stream or the server stops.

        Args:
            request: What is asked for.
            client: Who asks.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, SESSION_NOT_FOUND, WRONG_STATE, INVALID_REQUEST, TOO_MANY_WATCHES, or
                HOST_UNREACHABLE, also in the middle: the reader goes on from its last offset later.
            PassedOnError: What the host refused.
        """
        with self._limit.hold(client):
            operation = await self._registry.get(request.operation_id)
            state = operation.state if isinstance(operation, LiveOperation) else operation
            session_id = session_of(state, request.attempt)
            host = self._owner(state, request.attempt)
            asked = host_pb2.ReadLogRequest(
                session_id=session_id,
                offset=request.offset,
                follow=request.follow,
                min_level=request.min_level,
                tail_lines=request.tail_lines,
            )
            # Before it is asked: while it says that it has no such session, it may be getting it.
            is_latest = request.attempt in {0, state.record.attempt}
            not_there_yet = is_latest and state.delivery is not Delivery.ACCEPTED and not state.ended
            try:
                async with aclosing(self._until_stopped(self._connections[host].read_log(asked))) as parts:
                    async for part in parts:
                        yield pb.ReadLogResponse(
                            lines=part.lines, next_offset=part.next_offset, lines_dropped=part.lines_dropped
                        )
            except SessionUnknown:
                if not_there_yet:
                    raise _too_early(state) from None
                detail = f"Host {host} keeps it no longer, and its log with it."
                raise ServiceError(
                    ErrorReason.ERROR_REASON_SESSION_NOT_FOUND, session_id=session_id, detail=detail
                ) from None
            except HostRefuses as refusal:
                raise error_from_status(refusal.status) from None
            except HostHasNoRoom as full:
                raise _too_many(host, full) from None
            except HostCallError as error:
                raise _unreachable(host, error.problem) from None

    def _owner(self, state: OperationState, attempt: int) -> str:
        past = past_attempt(state.record, attempt)
        host = owner_of(self._hosts, state) if past is None else self._hosts.get(past.host)
        if host is not None and host.name in self._connections:
            return host.name
        name = state.record.host if past is None else past.host
        raise _unreachable(name, unfollowed(name))

    async def _until_stopped(
        self, messages: AsyncGenerator[host_pb2.ReadLogResponse, None]
    ) -> AsyncGenerator[host_pb2.ReadLogResponse, None]:
        """Yield messages until the server stops: a host may be silent for long."""
        stopping = asyncio.create_task(self._stopping.wait())
        following: asyncio.Task[host_pb2.ReadLogResponse | None] | None = None
        try:
            while True:
                following = asyncio.create_task(_next(messages))
                await asyncio.wait([following, stopping], return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    return
                message = following.result()
                if message is None:
                    return
                yield message
        finally:
            tasks = [task for task in (stopping, following) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await messages.aclose()


async def _next(messages: AsyncGenerator[host_pb2.ReadLogResponse, None]) -> host_pb2.ReadLogResponse | None:
    return await anext(messages, None)


def session_of(state: OperationState, attempt: int) -> str:
    """Return the id of the session of an attempt.

    Args:
        state: The operation.
        attempt: Its number; 0 for the latest.

    Raises:
        ServiceError: INVALID_REQUEST, there was no such attempt; WRONG_STATE, no host has it.
    """
    record = state.record
    if attempt > record.attempt:
        fields = [FieldViolation("attempt", f"0 for the latest, or 1 to {record.attempt}")]
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
    past = past_attempt(record, attempt)
    if past is not None and past.session_id and past.host:
        return past.session_id
    if past is not None:
        raise _too_early(state)
    named = parse_session_id(record.session_id)
    if 0 < attempt < record.attempt and named is not None and named.operation_id == record.id:
        return session_id_of(record.id, attempt)
    if state.delivery is Delivery.NEW or not record.session_id:
        raise _too_early(state)
    return record.session_id


def past_attempt(record: pb.Operation, attempt: int) -> pb.AttemptRecord | None:
    """Return what is kept of an attempt before the latest; None if nothing is."""
    return next((past for past in record.past_attempts if past.attempt == attempt), None)


def _too_early(state: OperationState) -> ServiceError:
    name = pb.Operation.State.Name(state.record.state).removeprefix("STATE_")
    detail = "It ended before a host had it." if state.ended else "No host has it yet, so there is no log."
    return ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state=name, detail=detail)


def _too_many(host: str, full: HostHasNoRoom) -> ServiceError:
    reason, again = ErrorReason.ERROR_REASON_TOO_MANY_WATCHES, full.retry_after or _RETRY_AFTER
    return ServiceError(reason, limit=f"that of host {host}", retry_after=again)


def _unreachable(host: str, detail: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_HOST_UNREACHABLE
    return ServiceError(reason, host=host, detail=detail, retry_after=_RETRY_AFTER)
