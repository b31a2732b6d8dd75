"""HostService on the wire: translates between messages and the host."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc, metrics_pb2, session_pb2

from services.common.watches import WatchLimit
from services.host.attached.attached_sessions import AttachedSessions
from services.host.listing import SessionListing
from services.host.retention.leases import Leases
from services.host.retention.past_sessions import PastSessions
from services.host.session_log.log_feed import LogFeed, LogQuery
from services.host.sessions import Sessions
from services.host.status_feed import DEFAULT_HEARTBEAT_SECONDS, StatusFeed
from services.host.status_query import StatusQuery

_DEADLINE_SHARE: Final = 0.8
_LEAST_HEARTBEAT_SECONDS: Final = 0.1

Context = grpc.aio.ServicerContext[Any, Any]


class HostServicer(host_pb2_grpc.HostServiceServicer):
    """Serves a host.

    Args:
        sessions: Its sessions.
        status: Its status.
        listing: Its sessions in pages.
        describe: Describes the host.
        watches: Limit of open watches.
        attached: Finds its sessions that processes of their own open.
        past: Its sessions that were removed.
        leases: What its readers have stored.
        logs: Logs of its sessions.
    """

    def __init__(
        self,
        sessions: Sessions,
        status: StatusFeed,
        listing: SessionListing,
        describe: Callable[[], host_pb2.Host],
        watches: WatchLimit,
        *,
        attached: AttachedSessions,
        past: PastSessions,
        leases: Leases,
        logs: LogFeed,
    ) -> None:
        self._sessions = sessions
        self._status = status
        self._listing = listing
        self._describe = describe
        self._watches = watches
        self._attached = attached
        self._past = past
        self._leases = leases
        self._logs = logs

    async def GetHost(self, _request: host_pb2.GetHostRequest, _context: Context) -> host_pb2.Host:  # noqa: N802 - the contract's name
        """Describe the host."""
        await self._attached.refresh()
        return self._describe()

    async def GetStatus(self, request: host_pb2.GetStatusRequest, context: Context) -> host_pb2.GetStatusResponse:  # noqa: N802 - the contract's name
        """Tell what changed since the cursor; wait for it where the request says so."""
        if request.reader_id or request.acked_cursor:
            await self._leases.visit(request.reader_id, request.acked_cursor, request.session_ids)
        response = await self._status.wait(_query(request), _wait_seconds(request, context.time_remaining()))
        response.host.CopyFrom(self._describe())
        return response

    async def WatchStatus(  # noqa: N802 - the contract's name
        self, request: host_pb2.WatchStatusRequest, _context: Context
    ) -> AsyncIterator[host_pb2.WatchStatusResponse]:
        """Stream what changes until the client goes or the host stops."""
        with self._watches.hold():
            async with aclosing(self._status.stream(_query(request), _heartbeat_seconds(request))) as answers:
                async for status in answers:
                    status.host.CopyFrom(self._describe())
                    yield host_pb2.WatchStatusResponse(status=status)

    async def ListSessions(  # noqa: N802 - the contract's name
        self, request: host_pb2.ListSessionsRequest, _context: Context
    ) -> host_pb2.ListSessionsResponse:
        """List sessions, newest first."""
        await self._attached.refresh()
        return self._listing.page(request.page_size, request.page_token)

    async def GetSession(self, request: host_pb2.GetSessionRequest, _context: Context) -> session_pb2.Session:  # noqa: N802 - the contract's name
        """Describe one session."""
        await self._attached.refresh()
        return await self._sessions.look_up(request.session_id)

    async def CancelSession(  # noqa: N802 - the contract's name
        self, request: host_pb2.CancelSessionRequest, _context: Context
    ) -> host_pb2.CancelSessionResponse:
        """Ask a session to stop."""
        await self._attached.refresh()
        session = await self._sessions.cancel(request.session_id, reason=request.reason, now=request.now)
        return host_pb2.CancelSessionResponse(session=session)

    async def ReadLog(  # noqa: N802 - the contract's name
        self, request: host_pb2.ReadLogRequest, _context: Context
    ) -> AsyncIterator[host_pb2.ReadLogResponse]:
        """Stream a session's log."""
        with self._watches.hold():
            async with aclosing(self._logs.read(_log_query(request))) as parts:
                async for part in parts:
                    yield part

    async def DeleteSession(  # noqa: N802 - the contract's name
        self, request: host_pb2.DeleteSessionRequest, _context: Context
    ) -> host_pb2.DeleteSessionResponse:
        """Remove a session that has ended."""
        await self._attached.refresh()
        return host_pb2.DeleteSessionResponse(session=await self._past.delete(request.session_id))


def _query(request: host_pb2.GetStatusRequest | host_pb2.WatchStatusRequest) -> StatusQuery:
    return StatusQuery(
        cursor=request.cursor,
        session_ids=frozenset(request.session_ids),
        page_points=request.page_points,
        raw_rows=request.metric_encoding == metrics_pb2.METRIC_ENCODING_ROWS,
    )


def _log_query(request: host_pb2.ReadLogRequest) -> LogQuery:
    return LogQuery(request.session_id, request.offset, request.follow, request.min_level, request.tail_lines)


def _heartbeat_seconds(request: host_pb2.WatchStatusRequest) -> float:
    if not request.HasField("heartbeat"):
        return DEFAULT_HEARTBEAT_SECONDS
    return max(request.heartbeat.ToTimedelta().total_seconds(), _LEAST_HEARTBEAT_SECONDS)


def _wait_seconds(request: host_pb2.GetStatusRequest, remaining: float | None) -> float:
    """Return how long the caller can be kept waiting: an answer must reach it before its deadline does."""
    wait = request.wait.ToTimedelta().total_seconds() if request.HasField("wait") else 0.0
    return wait if remaining is None else min(wait, _DEADLINE_SHARE * remaining)
