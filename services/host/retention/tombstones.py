"""What is left of sessions whose folders were removed."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from services.host.records import SessionRecord, SettledRecord
from services.host.retention.host_database import HostDatabase
from services.host.start_request import REQUEST_ID_LIFETIME, StartRequest

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = "id, folder, number, request_id, body_sha256, created_us, state, session, removed_us"
_LAST_NUMBER: Final = "last_number"


@dataclass(frozen=True)
class Tombstone:
    """What is left of a session.

    Attributes:
        id: Its id.
        folder: Name of its folder, and of the folder that it was in: `folder_key` makes it.
        number: Its place among all sessions of the host, in the order they were accepted.
        request_id: What made its start idempotent; empty where the id alone did.
        body_sha256: Digest of all that was asked.
        create_time: When it was accepted, UTC.
        state: Name of its final state.
        session: The final `ktrdr.host.v1.Session`, serialized, without points and spec.
        removed_time: When its folder was removed, UTC.
    """

    id: str
    folder: str
    number: int
    request_id: str
    body_sha256: str
    create_time: datetime
    state: str
    session: bytes
    removed_time: datetime

    @classmethod
    def of(cls, record: SessionRecord, settled: SettledRecord, folder: Path, now: datetime) -> Self:
        """Return what is to be left of a session that has ended."""
        return cls(
            id=record.id,
            folder=folder_key(folder),
            number=record.number,
            request_id=record.request_id,
            body_sha256=record.body_sha256,
            create_time=record.create_time,
            state=settled.state,
            session=settled.session,
            removed_time=now,
        )

    def message(self) -> Session:
        """Return the session as it is told."""
        message = Session.FromString(self.session)
        message.removed = True
        return message


class Tombstones:
    """The tombstones of a host. They are read from the database each time: there may be very many.

    Args:
        database: Where they are.
    """

    def __init__(self, database: HostDatabase) -> None:
        self._database = database

    async def add(self, tombstones: Sequence[Tombstone]) -> None:
        """Store tombstones; durable when this returns.

        Raises:
            ServiceError: STORAGE_FULL or STORE_CORRUPT; none was stored.
        """
        rows = [
            (
                each.id,
                each.folder,
                each.number,
                each.request_id,
                each.body_sha256,
                _microseconds(each.create_time),
                each.state,
                each.session,
                _microseconds(each.removed_time),
            )
            for each in tombstones
        ]
        highest = max((each.number for each in tombstones), default=0)

        def store(connection: sqlite3.Connection) -> None:
            connection.executemany(
                f"INSERT OR REPLACE INTO tombstones ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            raised = "ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
            connection.execute(f"INSERT INTO counters VALUES (?, ?) {raised}", (_LAST_NUMBER, highest))

        await self._database.run(store)

    async def get(self, session_id: str) -> Tombstone | None:
        """Return what is left of a session; None where nothing is known of it."""
        return await self._one("id = ?", session_id)

    async def find(self, request: StartRequest, now: datetime) -> Tombstone | None:
        """Return what is left of the session that the same request was answered with before.

        Raises:
            ServiceError: REQUEST_ID_REUSED or SESSION_EXISTS, where the id was used with another body.
        """
        body = request.body_sha256()
        if request.request_id:
            known = await self._one("request_id != '' AND request_id = ? ORDER BY number DESC", request.request_id)
            if known is not None and now - known.create_time < REQUEST_ID_LIFETIME:
                if known.body_sha256 != body:
                    raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request.request_id)
                return known
        known = await self.get(request.session_id) if request.session_id else None
        if known is not None and known.body_sha256 != body:
            detail = "Its folder has been removed since."
            raise ServiceError(ErrorReason.ERROR_REASON_SESSION_EXISTS, session_id=request.session_id, detail=detail)
        return known

    async def among(self, session_ids: Iterable[str]) -> set[str]:
        """Return those of the ids that tombstones have."""
        asked = [(session_id,) for session_id in session_ids]

        def select(connection: sqlite3.Connection) -> set[str]:
            found: set[tuple[str]] = set()
            for each in asked:
                found.update(connection.execute("SELECT id FROM tombstones WHERE id = ?", each))
            return {session_id for (session_id,) in found}

        return await self._database.run(select)

    async def of_folders(self, folders: Iterable[Path]) -> dict[Path, tuple[str, int]]:
        """Return, for those folders that removed sessions had, the session's id and number."""
        asked = list(folders)
        query = "SELECT id, number FROM tombstones WHERE folder = ? ORDER BY number DESC LIMIT 1"

        def select(connection: sqlite3.Connection) -> dict[Path, tuple[str, int]]:
            found = {path: connection.execute(query, (folder_key(path),)).fetchone() for path in asked}
            return {path: (row[0], row[1]) for path, row in found.items() if row is not None}

        return await self._database.run(select)

    async def last_number(self) -> int:
        """Return the highest number that a removed session ever had; 0 where there was none."""

        def select(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT value FROM counters WHERE name = ?", (_LAST_NUMBER,)).fetchone()
            return int(row[0]) if row else 0

        return await self._database.run(select)

    async def expire(self, now: datetime, kept_for: timedelta) -> int:
        """Forget the tombstones that are older than `kept_for`; return how many."""
        limit = _microseconds(now - kept_for)
        return await self._database.run(
            lambda connection: connection.execute("DELETE FROM tombstones WHERE removed_us < ?", (limit,)).rowcount
        )

    async def _one(self, condition: str, value: str) -> Tombstone | None:
        query = f"SELECT {_COLUMNS} FROM tombstones WHERE {condition} LIMIT 1"
        row = await self._database.run(lambda connection: connection.execute(query, (value,)).fetchone())
        if row is None:
            return None
        id_, folder, number, request_id, body, created_us, state, session, removed_us = row
        return Tombstone(id_, folder, number, request_id, body, _time(created_us), state, session, _time(removed_us))


def folder_key(path: Path) -> str:
    """Return what tells a session's folder from all others of the host, wherever the home is."""
    return f"{path.parent.name}/{path.name}"


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
