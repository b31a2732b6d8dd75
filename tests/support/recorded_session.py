"""Read what a session has left in its folder, as the host does."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ktrdr_bridge import JournalReader, ProgressSnapshot


@dataclass(frozen=True)
class RecordedSession:
    """One session of a home.

    Attributes:
        folder: Its folder.
        opened: Content of its attached.json.
        result: Content of its result.json; empty where it has not ended.
        progress: Where it stands.
        points: Its points by metric: (step, value) in their order.
    """

    folder: Path
    opened: dict[str, Any]
    result: dict[str, Any]
    progress: ProgressSnapshot
    points: dict[str, list[tuple[int, float]]]

    def values(self, metric: str) -> list[float]:
        """Return the values of a metric."""
        return [value for _, value in self.points.get(metric, [])]


def recorded_sessions(home: Path, kind: str = "training") -> list[RecordedSession]:
    """Return the sessions that were opened in a home, in the order they were."""
    root = home / "local" / kind
    folders = [path for path in root.iterdir() if (path / "attached.json").exists()] if root.exists() else []
    return sorted((_read(folder) for folder in folders), key=lambda each: str(each.opened["create_time"]))


def recorded_session(home: Path, kind: str = "training") -> RecordedSession:
    """Return the one session of a home."""
    (session,) = recorded_sessions(home, kind)
    return session


def _read(folder: Path) -> RecordedSession:
    reader = JournalReader(folder / "journal")
    try:
        read = reader.read()
    finally:
        reader.close()
    assert read.damage == ""
    result = folder / "result.json"
    return RecordedSession(
        folder=folder,
        opened=json.loads((folder / "attached.json").read_bytes()),
        result=json.loads(result.read_bytes()) if result.exists() else {},
        progress=read.progress,
        points={each.name: list(zip(each.steps, each.values, strict=True)) for each in read.series},
    )
