"""Read what earlier lives of a host have left in its folder."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr_bridge import StopRequest, read_control

from services.common.errors import ServiceError
from services.common.identity import is_valid_id
from services.host.creation import remove_unfinished
from services.host.folder import SessionFolder
from services.host.records import Record, RecordDamagedError, SessionRecord, SettledRecord, StartRecord

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class StoredSession:
    """A session as its folder has it.

    Attributes:
        folder: Its files.
        record: What was accepted; as far as the folder's name tells it, where that cannot be read any more.
        start: That it left the queue; None where it did not.
        settled: Its final state; None where it has none yet.
        stop: The request to stop; None where there is none.
        refusal: Why it can neither be begun nor followed; None where it can.
    """

    folder: SessionFolder
    record: SessionRecord
    start: StartRecord | None
    settled: SettledRecord | None
    stop: StopRequest | None
    refusal: ServiceError | None = None


def load_sessions(root: Path) -> list[StoredSession]:
    """Read all sessions, in the order they were accepted. Blocks: call it in a thread.

    What cannot be read of one session is no reason to keep the others waiting. A folder that is none of a session is
    left alone and logged.

    Args:
        root: Folder of all sessions; made where it is missing.

    Raises:
        OSError: The folder cannot be read or made.
    """
    root.mkdir(parents=True, exist_ok=True)
    remove_unfinished(root)
    logger = structlog.get_logger()
    found = []
    for path in root.iterdir():
        if path.name.startswith("."):
            continue  # removed, and still being deleted
        session = _load(SessionFolder(path))
        if session is None:
            logger.warning("session_folder_unreadable", path=str(path))
        else:
            found.append(session)
    return sorted(found, key=lambda each: each.record.number)


def _load(folder: SessionFolder) -> StoredSession | None:
    """Return what a folder has of a session; None where it is none of a session."""
    faults: list[ServiceError] = []
    record = _read(folder.session_record, SessionRecord, faults)
    if record is None:
        if not (is_valid_id(folder.id) and _there(folder.session_record) and _there(folder.spec)):
            return None
        record = _substitute(folder)
    elif record.id != folder.id:
        return None
    start = _read(folder.start_record, StartRecord, faults)
    if start is None and _there(folder.start_record):
        # That it is there says that the session has begun: to begin it once more would be worse than not to know when.
        start = StartRecord(start_time=_time_of(folder.start_record))
    settled = _read(folder.settled_record, SettledRecord, faults)
    refusal = faults[0] if faults and start is None and settled is None else None
    if settled is None and _there(folder.settled_record):
        # It is judged again by the evidence, and written down again: what is there would be in the way.
        folder.settled_record.rename(folder.path / f"settled.json.unreadable-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    return StoredSession(folder, record, start, settled, read_control(folder.control), refusal)


def _read(path: Path, kind: type[R], faults: list[ServiceError]) -> R | None:
    """Return a record; None where there is none, or it cannot be read, which is added to the faults."""
    try:
        return kind.read(path)
    except RecordDamagedError as error:
        cause = error.cause
    except OSError as error:
        cause = f"the system says: {error.strerror}"
    structlog.get_logger().warning("session_record_unreadable", path=str(path), cause=cause)
    faults.append(
        ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=str(path), detail=f"It is there, but {cause}.")
    )
    return None


def _substitute(folder: SessionFolder) -> SessionRecord:
    """Return the record of a session whose own cannot be read: it has an id, and may have a worker and a result."""
    return SessionRecord(
        id=folder.id,
        number=0,
        kind="",
        attempt=1,
        labels={},
        request_id="",
        body_sha256="",
        create_time=_time_of(folder.path),
        spec_type_url="",
        spec=b"",
    )


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _time_of(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
