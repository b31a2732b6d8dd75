"""Read what earlier lives of a host have left in its folder."""

from dataclasses import dataclass
from pathlib import Path

import structlog
from ktrdr_bridge import StopRequest, read_control

from services.host.creation import remove_unfinished
from services.host.folder import SessionFolder
from services.host.records import SessionRecord, SettledRecord, StartRecord


@dataclass(frozen=True)
class StoredSession:
    """A session as its folder has it.

    Attributes:
        folder: Its files.
        record: What was accepted.
        start: That it left the queue; None where it did not.
        settled: Its final state; None where it has none yet.
        stop: The request to stop; None where there is none.
    """

    folder: SessionFolder
    record: SessionRecord
    start: StartRecord | None
    settled: SettledRecord | None
    stop: StopRequest | None


def load_sessions(root: Path) -> list[StoredSession]:
    """Read all sessions, in the order they were accepted. Blocks: call it in a thread.

    A folder that holds no readable session record is left alone and logged.

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
        folder = SessionFolder(path)
        record = SessionRecord.load(folder.session_record)
        if record is None or record.id != folder.id:
            logger.warning("session_folder_unreadable", path=str(path))
            continue
        found.append(
            StoredSession(
                folder=folder,
                record=record,
                start=StartRecord.load(folder.start_record),
                settled=SettledRecord.load(folder.settled_record),
                stop=read_control(folder.control),
            )
        )
    return sorted(found, key=lambda each: each.record.number)
