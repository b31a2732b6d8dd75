"""Put one answer to GetStatus together: what changed since a cursor, and the cursor after it."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Final

from ktrdr.host.v1.host_pb2 import GetStatusResponse
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.host.cursor import Cursor, SessionCursor
from services.host.known_cursors import Standing
from services.host.points import JournalSource, Points, read_fairly
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.status_entry import StatusEntry
from services.host.status_query import DEFAULT_PAGE_POINTS, StatusQuery
from services.host.wire import FieldStart

_NUMBER: Final = attrgetter("number")
BUDGET_BYTES: Final = 2 * 2**20
_POINT_BYTES: Final = 36
"""Most bytes that a point takes: value and time of 8, step and seq as variable-length integers of at most 10."""
_ROWS_AT_ONCE: Final = 500
"""Rows that are read on the event loop, which takes a few milliseconds; for more the reading moves to a thread."""
_start_of_session: Final = lru_cache(maxsize=4_096)(FieldStart(GetStatusResponse, "sessions").of)
_SESSIONS_AT_ONCE: Final = 200
"""Sessions that are looked at before the event loop has its turn."""
_BYTES_AT_ONCE: Final = 2**17
"""Bytes of an answer that are put together before the event loop has its turn: a few milliseconds."""
_JOURNALS_AT_ONCE: Final = 400
"""Journals that are read for one answer; others have to wait for the next."""


class StatusPage:
    """Builds one answer. The journals must have been looked at before.

    Args:
        table: The host's sessions.
        standing: Where the reader stands.
        query: What it asks for.
        clock: Time.

    Attributes:
        next_standing: Where the reader stands after the answer, once it was built.
    """

    def __init__(self, table: SessionTable, standing: Standing, query: StatusQuery, clock: Clock) -> None:
        self._table = table
        self._standing = standing
        self._cursor = standing.cursor
        self._query = query
        self._clock = clock
        self._revision = table.changed.revision
        self._removals = table.removals
        self._last_finish_number = max(self._cursor.finished_through, table.last_finish_number)
        self._room = BUDGET_BYTES
        self._entries: list[StatusEntry] = []
        self._left: list[HostedSession] = []
        self.next_standing = standing

    async def build(self) -> GetStatusResponse:
        """Build the answer, but for the host's description.

        All changed states come first, and points only where no state is left out.
        """
        all_told = await self._tell_states()
        removed = self._removed()
        if all_told:
            await self._read_points()
        response = await self._write()
        response.removed_sessions.extend(removed)
        await self._breathe()
        cursor = self._next_cursor(removed, all_told=all_told)
        await self._breathe()
        if cursor is self._cursor and self._query.cursor:
            response.next_cursor = self._query.cursor
        else:
            response.next_cursor = cursor.encode()
        response.snapshot_complete = cursor.complete
        response.more = not all_told or any(entry.unread for entry in self._entries)
        self.next_standing = Standing(cursor, self._revision, self._removals, self._behind())
        await self._breathe()
        return response

    async def _breathe(self) -> None:
        """Give the event loop its turn, where the answer is a large one: each step takes a time then."""
        if len(self._entries) > _SESSIONS_AT_ONCE:
            await asyncio.sleep(0)

    def _candidates(self) -> list[HostedSession]:
        """Return the sessions that may hold something for the reader: finished ones first, in the order they did."""
        ids = self._query.session_ids or None
        finished = self._table.finished_after(self._cursor.finished_through, ids)
        if self._standing.revision < 0:
            return [*finished, *self._table.live_among(ids)]
        live = {*self._table.changed.since(self._standing.revision), *self._standing.behind}
        chosen = [each for each in live if each.settled is None and (ids is None or each.id in ids)]
        return [*finished, *sorted(chosen, key=_NUMBER)]

    async def _tell_states(self) -> bool:
        """Choose the states to tell, as far as there is room. Returns whether there was for all."""
        sessions, known_sessions, renewed = self._candidates(), self._cursor.sessions, self._cursor.renewed
        for index, session in enumerate(sessions):
            if index % _SESSIONS_AT_ONCE == _SESSIONS_AT_ONCE - 1:
                await asyncio.sleep(0)
            known = known_sessions.get(session.id)
            entry = StatusEntry(session, known, renewed=renewed)
            if not entry.is_current:
                size = len(entry.snapshot.content) + (0 if known is not None else session.spec.ByteSize())
                if size > self._room and self._room < BUDGET_BYTES:
                    self._left = sessions[index:]
                    return False
                entry.told = True
                self._room -= size
            self._entries.append(entry)
        return True

    def _removed(self) -> list[str]:
        if self._standing.removals == self._removals == self._table.removals:
            return []
        return [session_id for session_id in self._cursor.sessions if session_id not in self._table]

    async def _read_points(self) -> None:
        """Read new points of all sessions that have some."""
        hungry = self._hungry()
        if not hungry:
            return
        room = max(1, min(self._query.page_points or DEFAULT_PAGE_POINTS, self._room // _POINT_BYTES))
        share, left = room // len(hungry), []
        for entry in hungry:
            recent = entry.recent
            if recent is not None and recent.count <= share:
                entry.take_recent(recent)
                room -= recent.count
            else:
                left.append(entry)
        served = left[:_JOURNALS_AT_ONCE]
        rows = sum(max(0, entry.end.seq - entry.position.seq) for entry in served)
        if rows <= _ROWS_AT_ONCE:
            found = read_fairly([_source(entry, shared=True) for entry in served], room)
        else:
            with contextlib.ExitStack() as holds:
                for entry in served:
                    holds.enter_context(entry.session.held())
                found = await asyncio.to_thread(_read_apart, served, room)
        for entry, points in zip(served, found, strict=True):
            entry.take(points)

    def _hungry(self) -> list[StatusEntry]:
        """Return what has unread points: live sessions first, each at the head in its turn, then finished ones.

        Those come in the order they finished, so that the reader is soon done with the first and its cursor short.
        """
        unread = [entry for entry in self._entries if entry.unread]
        live = [entry for entry in unread if entry.settled is None]
        turn = self._cursor.turn % len(live) if live else 0
        return live[turn:] + live[:turn] + [entry for entry in unread if entry.settled is not None]

    async def _write(self) -> GetStatusResponse:
        """Write the sessions: serialized parts of messages are joined, because to copy messages takes far longer."""
        response, parts, size = GetStatusResponse(), list[bytes](), 0
        now = self._clock.now()
        now_ns = int(now.timestamp() * 1e9)
        raw_rows, later = self._query.raw_rows, Session()
        age, eta = later.progress.age, later.progress.eta
        for entry in self._entries:
            if not (entry.told or entry.is_included):
                continue
            content, points = entry.snapshot.content, b""
            if entry.points is not None:
                points = entry.points.packed(raw_rows=raw_rows)
            if entry.is_plain:
                age.seconds, age.nanos = divmod(max(0, now_ns - entry.snapshot.updated_ns), 10**9)
                eta.seconds, eta.nanos = divmod(int(1e9 * (entry.snapshot.eta_seconds or 0.0)), 10**9)
                rest = later.SerializeToString()
            else:
                rest = entry.rest(now, now_ns).SerializeToString()
            length = len(content) + len(points) + len(rest)
            parts += (_start_of_session(length), content, points, rest)
            size += length
            if size > _BYTES_AT_ONCE:
                response.MergeFromString(b"".join(parts))
                parts, size = [], 0
                await asyncio.sleep(0)
        response.MergeFromString(b"".join(parts))
        return response

    def _next_cursor(self, removed: list[str], *, all_told: bool) -> Cursor:
        finished_through = self._finished_through()
        sessions = dict(self._cursor.sessions)
        for session_id in removed:
            del sessions[session_id]
        for entry in self._entries:
            if entry.settled is not None and entry.settled.finish_number <= finished_through:
                sessions.pop(entry.session.id, None)
            elif entry.told or (entry.known is not None and not entry.is_untouched):
                sessions[entry.session.id] = self._position(entry)
        cursor = self._cursor
        complete = cursor.complete or (all_told and not any(each.target for each in sessions.values()))
        renewed = cursor.renewed and not complete
        if (finished_through, complete, renewed) == (cursor.finished_through, cursor.complete, cursor.renewed) and (
            sessions == cursor.sessions
        ):
            return cursor
        return replace(
            cursor,
            finished_through=finished_through,
            turn=cursor.turn + 1,
            complete=complete,
            renewed=renewed,
            sessions=sessions,
        )

    def _finished_through(self) -> int:
        """Return the finish number up to which the reader has everything.

        A session that has finished since the answer was begun is left to the next one.
        """
        reached = self._cursor.finished_through
        for entry in self._entries:
            if entry.settled is None or entry.settled.finish_number > self._last_finish_number:
                continue
            if not entry.is_drained:
                return reached
            reached = entry.settled.finish_number
        if self._left and self._left[0].settled is not None:
            return reached
        return self._last_finish_number

    def _behind(self) -> frozenset[HostedSession]:
        """Return the live sessions that the reader has not been told of completely."""
        live = [entry for entry in self._entries if entry.settled is None]
        behind = [each.session for each in live if each.unread or not (each.told or each.is_current)]
        return frozenset([*behind, *self._left])

    def _position(self, entry: StatusEntry) -> SessionCursor:
        at = entry.end if entry.is_drained else entry.position
        token = entry.known.token if entry.known is not None and not entry.told else entry.snapshot.token
        if self._cursor.complete or not entry.unread:
            target = 0
        elif entry.known is None or entry.reset:
            target = entry.end.seq
        else:
            target = entry.known.target
        return SessionCursor(at.incarnation, at.seq, token, target if target > at.seq else 0)


def _read_apart(entries: Sequence[StatusEntry], room: int) -> list[Points]:
    """Read the points of some sessions in a thread, with readers of its own."""
    return read_fairly([_source(entry, shared=False) for entry in entries], room)


def _source(entry: StatusEntry, *, shared: bool) -> JournalSource:
    """Return where an entry's points come from; `shared`: the reader of the event loop, where there is one."""
    journal = entry.session.journal() if shared and entry.settled is None else None
    return JournalSource(entry.session.folder.journal, None if journal is None else journal.lend(), entry.position)
