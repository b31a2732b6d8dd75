"""Look for sessions in the folder where processes open them. Everything here blocks: call it in a thread."""

import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import ktrdr_bridge
import structlog

from services.common.files import write_atomically
from services.common.identity import is_valid_id
from services.host.attached.records import AttachedRecord
from services.host.folder import SessionFolder
from services.host.loading import StoredSession
from services.host.records import SessionRecord, SettledRecord, StartRecord

UNFINISHED: Final = ".new-"
OPENED: Final = "attached.json"
_ABANDONED_SECONDS: Final = 60.0


Mark = tuple[int, int]


@dataclass(frozen=True)
class NewSession:
    """A session that the host has not taken in yet.

    Attributes:
        folder: Its files.
        opened: Who opened it.
    """

    folder: SessionFolder
    opened: AttachedRecord


@dataclass(frozen=True)
class KnownSession:
    """A session that the host has written down.

    Attributes:
        stored: The session as its folder has it.
        opened: Who opened it; None where that cannot be read any more.
    """

    stored: StoredSession
    opened: AttachedRecord | None


@dataclass(frozen=True)
class Scan:
    """What a look at the folder found.

    Attributes:
        known: Sessions that an earlier life of the host has written down, in the order it took them in.
        new: Sessions that no host has seen, in the order they were opened.
        unusable: Names of folders that hold no session; they are left alone.
        ended: Names of sessions whose end was written down.
        marks: Everything that is there by name, with what tells a folder from a later one of the same name.
    """

    known: list[KnownSession] = field(default_factory=list)
    new: list[NewSession] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    marks: dict[str, Mark] = field(default_factory=dict)


def scan(root: Path, *, seen: Mapping[str, Mark], live: Collection[str]) -> Scan:
    """Look at the folder of one kind of sessions.

    Args:
        root: The folder.
        seen: Folders that need not be looked into again, by name.
        live: Names of sessions that have not ended yet, as far as is known.

    Raises:
        OSError: The folder cannot be read.
    """
    found = Scan()
    for path in root.iterdir():
        if path.name.startswith(UNFINISHED):
            _remove_abandoned(path)
        if path.name.startswith(".") or not path.is_dir():
            continue
        mark = found.marks[path.name] = _mark(path)
        if seen.get(path.name) != mark:
            _read(SessionFolder(path), found)
    found.known.sort(key=lambda each: each.stored.record.number)
    found.new.sort(key=lambda each: each.opened.create_time)
    found.ended.update(name for name in live if SessionFolder(root / name).result_record.exists())
    return found


def write_down(session: NewSession, record: SessionRecord) -> KnownSession:
    """Make a new session known, durably.

    Raises:
        OSError: It cannot be written.
    """
    write_atomically(session.folder.session_record, record.to_bytes())
    return KnownSession(_stored(session.folder, record), session.opened)


def _read(folder: SessionFolder, found: Scan) -> None:
    problem = "it holds no session of its name"
    try:
        opened = AttachedRecord.load(folder.path / OPENED)
        record = SessionRecord.load(folder.session_record)
        # A copy of a session's folder tells the id of the other one.
        own = is_valid_id(folder.id) and folder.id == (opened.id if opened else record.id if record else "")
        if own and record is not None:
            found.known.append(KnownSession(_stored(folder, record), opened))
            return
        if own and opened is not None:
            found.new.append(NewSession(folder, opened))
            return
    except OSError as error:
        problem = str(error)
    structlog.get_logger().warning("attached_session_unreadable", path=str(folder.path), error=problem)
    found.unusable.append(folder.id)


def _mark(path: Path) -> Mark:
    """Return what tells a session's folder from another one: its first file, which is never written again."""
    try:
        status = (path / OPENED).stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _stored(folder: SessionFolder, record: SessionRecord) -> StoredSession:
    return StoredSession(
        folder=folder,
        record=record,
        start=StartRecord(start_time=record.create_time),
        settled=SettledRecord.load(folder.settled_record),
        stop=ktrdr_bridge.read_control(folder.control),
    )


def _remove_abandoned(path: Path) -> None:
    """Remove what a process has left that ended while it opened a session."""
    alive = ktrdr_bridge.is_alive(path / "alive.lock")
    try:
        old = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return
    if old and not alive:
        shutil.rmtree(path, ignore_errors=True)
