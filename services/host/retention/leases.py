"""What the readers of a host have stored, so that nothing is removed before they have."""

import re
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr_bridge import Position

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.host.cursor import Cursor, CursorHead, filter_digest
from services.host.host_identity import HostIdentity
from services.host.retention.host_database import HostDatabase
from services.host.session import HostedSession

_READER_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_READERS: Final = 64
"""Most readers with a lease. One more takes the place of the one that has been away longest."""
_NO_FILTER: Final = filter_digest(())
_IDLE_STEP_SECONDS: Final = 60.0
"""A lease whose reader is away is stored again after so much more time."""
_NOWHERE: Final = (-1, -1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Lease:
    """What is known of one reader.

    Attributes:
        reader_id: Its name.
        acked_cursor: Up to where it has stored everything.
        seen_at: Monotonic time of its last visit. Time that the host did not run does not count as absence.
        stored_idle_seconds: How long it had been away when the lease was stored last; None where what is stored is out
            of date.
        place: How far `acked_cursor` is, to tell a reader that falls back.
        cursor: `acked_cursor` as it was read; None while nobody has asked.
    """

    reader_id: str
    acked_cursor: bytes
    seen_at: float
    stored_idle_seconds: float | None = None
    place: tuple[int, int] = _NOWHERE
    cursor: Cursor | None = None


class Leases:
    """The leases of all readers: in memory, and in the host's database for its next life.

    Args:
        database: Where they are kept.
        identity: The host, which cursors are bound to.
        clock: Time.
    """

    def __init__(self, database: HostDatabase, identity: HostIdentity, clock: Clock) -> None:
        self._database = database
        self._identity = identity
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._forgotten: set[str] = set()
        self._logger = structlog.get_logger()

    def __contains__(self, reader_id: object) -> bool:
        return reader_id in self._leases

    def __len__(self) -> int:
        return len(self._leases)

    async def load(self) -> None:
        """Read what an earlier life of the host has stored."""
        rows = await self._database.run(
            lambda connection: connection.execute("SELECT reader_id, acked_cursor, idle_seconds FROM leases").fetchall()
        )
        now = self._clock.monotonic()
        self._leases = {name: Lease(name, acked, now - idle, idle) for name, acked, idle in rows}

    async def visit(self, reader_id: str, acked_cursor: bytes, session_ids: Collection[str]) -> None:
        """Take note that a reader is there, and how far it has come. A look-up where it has come no further.

        A new reader's lease is durable when this returns, and so is one that falls back. That a lease advances is
        stored later: until then more is kept than has to be.

        Args:
            reader_id: The reader's name.
            acked_cursor: Up to where it has stored everything; empty for nothing.
            session_ids: Filter of the reading that the visit is for.

        Raises:
            ServiceError: INVALID_REQUEST with the field at fault, or CURSOR_INVALID.
        """
        lease = self._leases.get(reader_id)
        if lease is not None and not session_ids and lease.acked_cursor == acked_cursor:
            lease.seen_at = self._clock.monotonic()
            return
        _check(reader_id, acked_cursor, session_ids)
        place = _place(acked_cursor)
        if lease is None:
            lease = Lease(reader_id, acked_cursor, self._clock.monotonic(), place=place)
            self._leases[reader_id] = lease
            self._forgotten.discard(reader_id)
            self._make_room()
            await self._store_now(lease)
            return
        lease.seen_at = self._clock.monotonic()
        if session_ids:
            return  # what a filtered reading has stored says nothing about the others
        falls_back = place < lease.place
        lease.acked_cursor, lease.place, lease.cursor, lease.stored_idle_seconds = acked_cursor, place, None, None
        if falls_back:
            await self._store_now(lease)

    def waits_for(self, session: HostedSession) -> bool:
        """Tell whether some reader has not stored everything of a session that has ended."""
        return any(not self._has_stored(lease, session) for lease in self._leases.values())

    def forget_absent(self, lease_age: timedelta) -> None:
        """Forget the readers that have not come for so long."""
        limit = self._clock.monotonic() - lease_age.total_seconds()
        for lease in [each for each in self._leases.values() if each.seen_at < limit]:
            self._logger.info("reader_forgotten", reader_id=lease.reader_id)
            self._forget(lease)

    async def store(self) -> None:
        """Store what has changed.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT.
        """
        now = self._clock.monotonic()
        await self._store([each for each in self._leases.values() if _is_out_of_date(each, now)])

    async def _store_now(self, lease: Lease) -> None:
        """Store one lease. A reader is answered even where that is not possible now: it is tried again later."""
        try:
            await self._store([lease])
        except ServiceError as error:
            self._logger.warning("lease_not_stored", reader_id=lease.reader_id, problem=error.message)

    async def _store(self, leases: Sequence[Lease]) -> None:
        forgotten = [(name,) for name in self._forgotten]
        if not leases and not forgotten:
            return
        now, today = self._clock.monotonic(), self._clock.now()
        idle = {each.reader_id: max(0.0, now - each.seen_at) for each in leases}
        acked = {each.reader_id: each.acked_cursor for each in leases}
        rows = [
            (name, acked[name], seconds, (today - timedelta(seconds=seconds) - _EPOCH) // timedelta(microseconds=1))
            for name, seconds in idle.items()
        ]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM leases WHERE reader_id = ?", forgotten)
            connection.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", rows)

        await self._database.run(write)
        self._forgotten.difference_update(name for (name,) in forgotten)
        for each in leases:
            if each.acked_cursor == acked[each.reader_id]:
                each.stored_idle_seconds = idle[each.reader_id]

    def _has_stored(self, lease: Lease, session: HostedSession) -> bool:
        """Tell whether the reader's acknowledged cursor covers the end of a session and all of its points."""
        cursor = self._cursor(lease)
        if cursor is None or session.settled is None:
            return False
        if session.settled.finish_number <= cursor.finished_through:
            return True
        known = cursor.sessions.get(session.id)
        at_end = known is not None and Position(known.incarnation, known.seq) == session.end()
        return at_end and known is not None and known.token == session.snapshot().token

    def _cursor(self, lease: Lease) -> Cursor | None:
        """Return where a reader stands; None where its cursor says nothing about the sessions here."""
        if lease.cursor is None and lease.acked_cursor:
            try:
                lease.cursor = Cursor.decode(lease.acked_cursor)
            except ServiceError:
                return None  # made by other software, before the host was updated
        cursor = lease.cursor
        if cursor is None or cursor.host_uid != self._identity.host_uid:
            return None
        return cursor if cursor.finished_through <= self._identity.last_finish_number else None

    def _make_room(self) -> None:
        while len(self._leases) > _READERS:
            self._forget(min(self._leases.values(), key=lambda lease: lease.seen_at))

    def _forget(self, lease: Lease) -> None:
        del self._leases[lease.reader_id]
        self._forgotten.add(lease.reader_id)


def _check(reader_id: str, acked_cursor: bytes, session_ids: Collection[str]) -> None:
    fault = None
    if not _READER_ID.fullmatch(reader_id):
        need = "acked_cursor needs a name" if not reader_id else 'up to 64 letters, digits, "-", "_" and "."'
        fault = FieldViolation("reader_id", need)
    elif session_ids and acked_cursor:
        fault = FieldViolation("acked_cursor", "goes with a reading of all sessions; leave out the session_ids")
    if fault is not None:
        detail = f"{fault.field}: {fault.description}."
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[fault], detail=detail)


def _place(acked_cursor: bytes) -> tuple[int, int]:
    """Return how far a cursor is.

    Raises:
        ServiceError: CURSOR_INVALID.
    """
    if not acked_cursor:
        return _NOWHERE
    head = CursorHead.of(acked_cursor)
    if head.filter_digest != _NO_FILTER:
        detail = "As acked_cursor only one without session_ids will do."
        raise ServiceError(ErrorReason.ERROR_REASON_CURSOR_INVALID, detail=detail)
    return head.finished_through, head.turn


def _is_out_of_date(lease: Lease, now: float) -> bool:
    stored = lease.stored_idle_seconds
    return stored is None or now - lease.seen_at > stored + _IDLE_STEP_SECONDS
