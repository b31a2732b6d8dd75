"""Where the checkpoints of a session lie, and which session's they are."""

from pathlib import Path
from typing import Final

from services.host.records import Record

ORIGIN: Final = "origin.json"
_DIGITS: Final = 8


class OriginRecord(Record):
    """origin.json: the session goes on from another one's checkpoints, which lie beside this file.

    Attributes:
        session_id: The other session.
    """

    session_id: str


def checkpoint_folders(folder: Path) -> list[Path]:
    """Return the checkpoints in a session's folder of checkpoints, the newest first. None is half, some may be damaged.

    Raises:
        OSError: The folder cannot be read; where there is none the list is empty.
    """
    try:
        found = [path for path in folder.iterdir() if len(path.name) == _DIGITS and path.name.isdecimal()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, reverse=True)


def next_checkpoint_folder(folder: Path) -> Path:
    """Return where the next checkpoint goes."""
    newest = next(iter(checkpoint_folders(folder)), None)
    number = 1 if newest is None else int(newest.name) + 1
    return folder / f"{number:0{_DIGITS}}"
