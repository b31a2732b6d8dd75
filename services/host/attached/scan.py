"""Look for sessions in the folder where processes open them. Everything here blocks: call it in a thread."""

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import ktrdr_bridge
import structlog

from services.common.identity import is_valid_id
from services.host.attached.records import AttachedRecord
from services.host.folder import SessionFolder
from services.host.loading import StoredSession
from services.host.records import SessionRecord, SettledRecord, StartRecord

UNFINISHED: Final = ".new-"
_ABANDONED_SECONDS: Final = 60.0


@dataclass(frozen=True)
class OpenedSession:
    """A session that was found.

    Attributes:
        folder: Its files.
        opened: Who opened it; None where that cannot be read any more (it was known before).
        record: What the host wrote down when it first found it; None where it did not yet.
    """

    folder: SessionFolder
    opened: AttachedRecord | None
    record: SessionRecord | None

    def stored(self, record: SessionRecord) -> StoredSession:
        """Return the session as one that the host has, with this record."""
        return StoredSession(
            folder=self.folder,
            record=record,
            start=StartRecord(start_time=record.create_time),
            settled=SettledRecord.load(self.folder.settled_record),
            stop=ktrdr_bridge.read_control(self.folder.control),
        )


@dataclass(frozen=True)
class Scan:
    """What a look at the folder found.

    Attributes:
        opened: Sessions that were not known.
        unusable: Names of folders that hold no session; they are left alone.
        ended: Names of sessions whose end was written down.
        names: Everything that is there.
    """

    opened: list[OpenedSession] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def scan(root: Path, *, known: Collection[str], live: Collection[str]) -> Scan:
    """Look at the folder of one kind of sessions.

    Args:
        root: The folder.
        known: Names of folders that need not be looked into again.
        live: Names of sessions that have not ended yet, as far as is known.

    Raises:
        OSError: The folder cannot be read.
    """
    found = Scan()
    for path in sorted(root.iterdir()):
        if path.name.startswith(UNFINISHED):
            _remove_abandoned(path)
        if path.name.startswith(".") or not path.is_dir():
            continue
        found.names.add(path.name)
        if path.name in known:
            continue
        session = _read(SessionFolder(path))
        if session is None:
            found.unusable.append(path.name)
        else:
            found.opened.append(session)
    found.ended.update(name for name in live if SessionFolder(root / name).result_record.exists())
    return found


def _read(folder: SessionFolder) -> OpenedSession | None:
    """Return the session of a folder, None where there is none that could be served."""
    try:
        opened = AttachedRecord.load(folder.path / "attached.json")
        record = SessionRecord.load(folder.session_record)
    except OSError as error:
        structlog.get_logger().warning("attached_session_unreadable", path=str(folder.path), error=str(error))
        return None
    if record is None and (opened is None or opened.id != folder.id or not is_valid_id(opened.id)):
        structlog.get_logger().warning("attached_session_unreadable", path=str(folder.path), error="no valid record")
        return None
    return OpenedSession(folder, opened, record)


def _remove_abandoned(path: Path) -> None:
    """Remove what a process has left that ended while it opened a session."""
    alive = ktrdr_bridge.is_alive(path / "alive.lock")
    try:
        old = time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return
    if old and not alive:
        shutil.rmtree(path, ignore_errors=True)
