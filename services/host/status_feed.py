"""Answer readers of a host's status: at once, when something changes, or as a stream."""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import GetStatusResponse

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.host.changes import ChangeSignal
from services.host.cursor import Cursor, filter_digest
from services.host.host_identity import HostIdentity
from services.host.journal_watch import JournalWatch
from services.host.known_cursors import KnownCursors, Standing
from services.host.session_table import SessionTable
from services.host.status_page import StatusPage
from services.host.status_query import StatusQuery

DEFAULT_HEARTBEAT_SECONDS: Final = 15.0


class StatusFeed:
    """Serves the status of a host. It needs to know nothing of its readers: where one stands is in its cursor.

    Args:
        table: The host's sessions.
        identity: The host's identity, which cursors are bound to.
        changes: Tells of changes.
        watch: Looks at journals while somebody waits.
        clock: Time.
        before_look: Called before each answer: looks for sessions that the host was not told of.
    """

    def __init__(
        self,
        table: SessionTable,
        *,
        identity: HostIdentity,
        changes: ChangeSignal,
        watch: JournalWatch,
        clock: Clock,
        before_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._table = table
        self._identity = identity
        self._changes = changes
        self._watch = watch
        self._clock = clock
        self._before_look = before_look
        self._known = KnownCursors()
        self._stopping = False

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits for news, so that the journals are looked at."""
        return self._watch.is_looking

    def begin_stop(self) -> None:
        """End all waiting: watches end themselves, long-polls answer."""
        self._stopping = True
        self._changes.notify()

    def close(self) -> None:
        """Let go of what is open for looking at the journals."""
        self._watch.close()

    async def read(self, query: StatusQuery) -> GetStatusResponse:
        """Answer at once, with everything but the host's own description.

        Raises:
            ServiceError: CURSOR_INVALID or CURSOR_FILTER_MISMATCH.
        """
        self._before_look()
        self._watch.look()
        page = StatusPage(self._table, self._standing(query), query, self._clock)
        response = await page.build()
        self._known.keep(response.next_cursor, page.next_standing)
        return response

    async def wait(self, query: StatusQuery, wait_seconds: float) -> GetStatusResponse:
        """Answer when there is something to tell, or when the time is over.

        Args:
            query: What is asked for.
            wait_seconds: Longest time to wait; 0 to answer at once.

        Raises:
            ServiceError: As for `read`.
        """
        if wait_seconds <= 0 or not query.cursor:
            return await self.read(query)
        deadline = self._clock.monotonic() + wait_seconds
        async with self._watch.looking():
            while True:
                # The count is taken before the reading: what changes in between is not missed.
                seen = self._changes.version
                response = await self.read(query)
                left = deadline - self._clock.monotonic()
                if self._stopping or left <= 0 or _tells_something(response):
                    return response
                await self._changes.wait(seen, left)

    async def stream(self, query: StatusQuery, heartbeat_seconds: float) -> AsyncGenerator[GetStatusResponse, None]:
        """Yield everything since the cursor, then changes as they come, and in silences an answer without sessions.

        Changes that come faster than they are taken are told together. Ends when the host stops.

        Args:
            query: What is asked for.
            heartbeat_seconds: Longest silence.

        Raises:
            ServiceError: As for `read`.
        """
        due = True
        async with self._watch.looking():
            while not self._stopping:
                seen = self._changes.version
                response = await self.read(query)
                if due or _tells_something(response):
                    yield response
                    query = query.after(response.next_cursor)
                    due = False
                else:
                    due = not await self._changes.wait(seen, heartbeat_seconds)

    def _standing(self, query: StatusQuery) -> Standing:
        """Return where the reader stands.

        A cursor of another host, or of a later life of this one that a restored backup knows nothing of, says nothing
        about the sessions here: the reader begins anew, and is told so with each session.
        """
        digest = filter_digest(query.session_ids)
        if not query.cursor:
            return Standing(Cursor(self._identity.host_uid, digest))
        standing = self._known.find(query.cursor) or Standing(Cursor.decode(query.cursor))
        cursor = standing.cursor
        if cursor.filter_digest != digest:
            raise ServiceError(ErrorReason.ERROR_REASON_CURSOR_FILTER_MISMATCH)
        if cursor.host_uid != self._identity.host_uid or cursor.finished_through > self._identity.last_finish_number:
            gone = {name: position for name, position in cursor.sessions.items() if name not in self._table}
            return Standing(Cursor(self._identity.host_uid, digest, renewed=True, sessions=gone))
        return standing


def _tells_something(response: GetStatusResponse) -> bool:
    return bool(response.sessions or response.removed_sessions or response.more or not response.snapshot_complete)
