"""Read the end of a session's log."""

from pathlib import Path
from typing import Final

LINES: Final = 20
_BYTES: Final = 4_096


def log_tail(path: Path) -> list[str]:
    """Return the last lines of a log: at most 20, and at most 4 KiB. A log that cannot be read has none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _BYTES))
            content = file.read(_BYTES)
    except OSError:
        return []
    lines = content.decode("utf-8", errors="replace").splitlines()
    if size > _BYTES:
        lines = lines[1:]  # the first of them is cut
    return lines[-LINES:]
