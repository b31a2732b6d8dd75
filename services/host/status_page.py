"""Put one answer to GetStatus together: what changed since a cursor, and the cursor after it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from ktrdr.host.v1.host_pb2 import GetStatusResponse
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import Position

from services.common.clock import Clock
from services.host.cursor import Cursor, SessionCursor
from services.host.description import set_age
from services.host.points import JournalSource, Points, read_fairly, to_columns, to_rows
from services.host.records import SettledRecord
from services.host.session import HostedSession, Snapshot
from services.host.session_table import SessionTable
from services.host.status_query import DEFAULT_PAGE_POINTS, StatusQuery

BUDGET_BYTES: Final = 2 * 2**20
_POINT_BYTES: Final = 36
"""Most bytes that a point takes: value and time of 8, step and seq as variable-length integers of at most 10."""
_ROWS_AT_ONCE: Final = 500
"""Rows that are read on the event loop, which takes a few milliseconds; for more the reading moves to a thread."""

_GONE: Final = "the journal is gone, or ends before its last row"


@dataclass
class _Entry:
    """A session in the making of an answer, as it was when the making began.

    Attributes:
        session: The session.
        known: Where the reader stands in it; None where it was not told of it yet.
        snapshot: Its state.
        settled: Its final record.
        end: Where its journal ends.
        told: The state goes into the answer.
        reset: The reader's position was lost.
        points: What was read of the journal for the answer.
        stuck: The rest of the journal cannot be read.
        damage: What of it could not be read.
    """

    session: HostedSession
    known: SessionCursor | None
    snapshot: Snapshot
    settled: SettledRecord | None
    end: Position
    told: bool = False
    reset: bool = False
    points: Points | None = None
    stuck: bool = False
    damage: str = ""

    @property
    def position(self) -> Position:
        """Where the reader stands in the journal after the answer."""
        if self.points is not None:
            return self.points.position
        return Position("", 0) if self.known is None else Position(self.known.incarnation, self.known.seq)

    @property
    def unread(self) -> bool:
        """The journal has rows that the reader will not have got with the answer."""
        if self.stuck:
            return False
        return self.position != self.end if self.points is None else self.points.more

    @property
    def is_current(self) -> bool:
        """The reader has this state already."""
        return self.known is not None and self.known.token == self.snapshot.token and not self.reset

    @property
    def was_drained(self) -> bool:
        """The reader was told before that the session is final."""
        at_end = self.known is not None and Position(self.known.incarnation, self.known.seq) == self.end
        return self.settled is not None and self.is_current and at_end

    @property
    def is_drained(self) -> bool:
        """The session has ended, and with the answer the reader has its final state and all points."""
        return self.settled is not None and (self.told or self.is_current) and not self.unread

    @property
    def is_included(self) -> bool:
        """The answer has something about the session."""
        return self.told or self.points is not None or (self.is_drained and not self.was_drained)


class StatusPage:
    """Builds one answer.

    Args:
        table: The host's sessions.
        cursor: Where the reader stands.
        query: What it asks for.
        clock: Time.
    """

    def __init__(self, table: SessionTable, cursor: Cursor, query: StatusQuery, clock: Clock) -> None:
        self._cursor = cursor
        self._query = query
        self._last_finish_number = max(cursor.finished_through, table.last_finish_number)
        self._clock = clock
        self._room = BUDGET_BYTES
        self._removed = [session_id for session_id in cursor.sessions if session_id not in table]
        self._entries = [
            self._entry(session) for session in table.unread(cursor.finished_through, query.session_ids or None)
        ]

    async def build(self) -> GetStatusResponse:
        """Build the answer, but for the host's description.

        All changed states come first, and points only where no state is left out.
        """
        all_told = self._tell_states()
        if all_told:
            await self._read_points()
        response = GetStatusResponse(removed_sessions=self._removed)
        for entry in self._entries:
            if entry.is_included:
                self._write(response.sessions.add(), entry)
        cursor = self._next_cursor(all_told=all_told)
        response.next_cursor = cursor.encode()
        response.snapshot_complete = cursor.complete
        response.more = not all_told or any(entry.unread for entry in self._entries)
        return response

    def _entry(self, session: HostedSession) -> _Entry:
        known = self._cursor.sessions.get(session.id)
        entry = _Entry(session, known, session.snapshot(), session.settled, session.end())
        if known is None:
            entry.reset = self._cursor.renewed
        elif known.incarnation and entry.end.incarnation:
            entry.reset = known.incarnation != entry.end.incarnation or known.seq > entry.end.seq
        return entry

    def _tell_states(self) -> bool:
        """Choose the states to tell, as far as there is room. Returns whether there was for all."""
        first = True
        for entry in self._entries:
            if entry.is_current:
                continue
            size = entry.snapshot.size + (0 if entry.known is not None else entry.session.spec.ByteSize())
            if size > self._room and not first:
                return False
            entry.told = True
            first = False
            self._room -= size
        return True

    async def _read_points(self) -> None:
        """Read new points of all sessions that have some."""
        hungry = self._hungry()
        if not hungry:
            return
        room = max(1, min(self._query.page_points or DEFAULT_PAGE_POINTS, self._room // _POINT_BYTES))
        rows = sum(max(0, entry.end.seq - entry.position.seq) for entry in hungry)
        if rows <= _ROWS_AT_ONCE:
            found = read_fairly([_source(entry) for entry in hungry], room)
        else:
            found = await asyncio.to_thread(read_fairly, [_source(entry, shared=False) for entry in hungry], room)
        for entry, points in zip(hungry, found, strict=True):
            moved = points.position != entry.position
            entry.stuck = not moved and not points.more
            entry.points = points if moved or points.reset else None
            entry.reset = entry.reset or points.reset
            entry.damage = points.damage or (_GONE if entry.stuck and entry.settled is not None else "")

    def _hungry(self) -> list[_Entry]:
        """Return what has unread points: live sessions first, each at the head in its turn, then finished ones.

        Those come in the order they finished, so that the reader is soon done with the first and its cursor short.
        """
        unread = [entry for entry in self._entries if entry.unread]
        live = [entry for entry in unread if entry.settled is None]
        turn = self._cursor.turn % len(live) if live else 0
        return live[turn:] + live[:turn] + [entry for entry in unread if entry.settled is not None]

    def _write(self, message: Session, entry: _Entry) -> None:
        message.CopyFrom(entry.snapshot.message)
        if entry.known is None or entry.reset:
            message.spec.CopyFrom(entry.session.spec)
        if entry.points is not None and self._query.raw_rows:
            message.metric_rows.extend(to_rows(entry.points))
        elif entry.points is not None:
            message.metrics.extend(to_columns(entry.points))
        message.journal_damage = entry.damage or message.journal_damage
        message.reset = entry.reset
        message.final = entry.is_drained
        set_age(message, entry.snapshot, self._clock.now())

    def _next_cursor(self, *, all_told: bool) -> Cursor:
        finished_through = self._finished_through()
        sessions = {}
        for entry in self._entries:
            behind = entry.settled is not None and entry.settled.finish_number <= finished_through
            if not behind and (entry.told or entry.known is not None):
                sessions[entry.session.id] = self._position(entry)
        complete = self._cursor.complete or (all_told and not any(each.target for each in sessions.values()))
        return replace(
            self._cursor,
            finished_through=finished_through,
            turn=self._cursor.turn + 1,
            complete=complete,
            renewed=self._cursor.renewed and not complete,
            sessions=sessions,
        )

    def _finished_through(self) -> int:
        """Return the finish number up to which the reader has everything."""
        reached = self._cursor.finished_through
        for entry in self._entries:
            if entry.settled is None:
                continue
            if not entry.is_drained:
                return reached
            reached = entry.settled.finish_number
        return self._last_finish_number

    def _position(self, entry: _Entry) -> SessionCursor:
        at = entry.end if entry.is_drained else entry.position
        token = entry.known.token if entry.known is not None and not entry.told else entry.snapshot.token
        if self._cursor.complete or not entry.unread:
            target = 0
        elif entry.known is None or entry.reset:
            target = entry.end.seq
        else:
            target = entry.known.target
        return SessionCursor(at.incarnation, at.seq, token, target if target > at.seq else 0)


def _source(entry: _Entry, *, shared: bool = True) -> JournalSource:
    """Return where an entry's points come from. A reader of the event loop's is not used in a thread."""
    reader = entry.session.reader() if shared and entry.settled is None else None
    return JournalSource(entry.session.folder.journal, reader, entry.position)
